// Similarity `dot` (sum of a*b) for AVX2, FMA, F16C.
// Inputs f32, f16 (accumulated in f32) and u8 (accumulated in 32-bit integers); see dot.hpp and isa/avx2.hpp for limits
// and tails.
#include "kernels/dot/dot.hpp"

#include "kernels/isa/avx2.hpp"

namespace edgeshard {

float dot_f32_avx2(const void* a, const void* b, size_t dim) { return pair<Dot, F32>(a, b, dim); }

float dot_f16_avx2(const void* a, const void* b, size_t dim) { return pair<Dot, F16>(a, b, dim); }

float dot_u8_avx2(const void* a, const void* b, size_t dim) {
    __m256i sum = _mm256_setzero_si256();
    for_each_32(a, b, dim, [&](__m256i x, __m256i y) { sum = add_products_u8(sum, x, y); });
    return static_cast<float>(sum_u32(sum));
}

void dot_tile_f32_avx2(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<Dot, F32>(queries, stride_bytes, row, dim, sims);
}

void dot_tile_f16_avx2(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<Dot, F16>(queries, stride_bytes, row, dim, sims);
}

}  // namespace edgeshard
