// Similarity `l2` (- sum of (a-b)^2) for Armv8.0 NEON.
// Inputs f32, f16 (accumulated in f32) and u8 (accumulated in 32-bit integers); see l2.hpp and isa/neon.hpp for limits
// and tails.
#include "kernels/l2/l2.hpp"

#include "kernels/isa/neon.hpp"

namespace edgeshard {

float l2_f32_neon(const void* a, const void* b, size_t dim) { return pair<L2, F32>(a, b, dim); }

float l2_f16_neon(const void* a, const void* b, size_t dim) { return pair<L2, F16>(a, b, dim); }

float l2_u8_neon(const void* a, const void* b, size_t dim) {
    uint32x4_t sum = vdupq_n_u32(0);
    for_each_16(a, b, dim, [&](uint8x16_t x, uint8x16_t y) {
        const uint8x16_t d = vabdq_u8(x, y);
        sum = add_products_u8(sum, d, d);
    });
    return -static_cast<float>(vaddvq_u32(sum));
}

void l2_tile_f32_neon(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<L2, F32>(queries, stride_bytes, row, dim, sims);
}

void l2_tile_f16_neon(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<L2, F16>(queries, stride_bytes, row, dim, sims);
}

}  // namespace edgeshard
