// Similarity `dot` (sum of a*b) for Armv8.0 NEON.
// Inputs f32, f16 (accumulated in f32) and u8 (accumulated in 32-bit integers); see dot.hpp and isa/neon.hpp for limits
// and tails.
#include "kernels/dot/dot.hpp"

#include "kernels/isa/neon.hpp"

namespace edgeshard {

float dot_f32_neon(const void* a, const void* b, size_t dim) { return pair<Dot, F32>(a, b, dim); }

float dot_f16_neon(const void* a, const void* b, size_t dim) { return pair<Dot, F16>(a, b, dim); }

float dot_u8_neon(const void* a, const void* b, size_t dim) {
    uint32x4_t sum = vdupq_n_u32(0);
    for_each_16(a, b, dim, [&](uint8x16_t x, uint8x16_t y) { sum = add_products_u8(sum, x, y); });
    return static_cast<float>(vaddvq_u32(sum));
}

void dot_tile_f32_neon(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<Dot, F32>(queries, stride_bytes, row, dim, sims);
}

void dot_tile_f16_neon(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<Dot, F16>(queries, stride_bytes, row, dim, sims);
}

}  // namespace edgeshard
