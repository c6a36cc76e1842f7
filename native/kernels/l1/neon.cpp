// Similarity `l1` (- sum of |a-b|) for Armv8.0 NEON.
// Inputs f32, f16 (accumulated in f32) and u8 (accumulated in 32-bit integers); see l1.hpp and isa/neon.hpp for limits
// and tails.
#include "kernels/l1/l1.hpp"

#include "kernels/isa/neon.hpp"

namespace edgeshard {

float l1_f32_neon(const void* a, const void* b, size_t dim) { return pair<L1, F32>(a, b, dim); }

float l1_f16_neon(const void* a, const void* b, size_t dim) { return pair<L1, F16>(a, b, dim); }

float l1_u8_neon(const void* a, const void* b, size_t dim) {
    uint32x4_t sum = vdupq_n_u32(0);
    for_each_16(a, b, dim, [&](uint8x16_t x, uint8x16_t y) {
        sum = vaddq_u32(sum, vpaddlq_u16(vpaddlq_u8(vabdq_u8(x, y))));
    });
    return -static_cast<float>(vaddvq_u32(sum));
}

void l1_tile_f32_neon(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<L1, F32>(queries, stride_bytes, row, dim, sims);
}

void l1_tile_f16_neon(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<L1, F16>(queries, stride_bytes, row, dim, sims);
}

}  // namespace edgeshard
