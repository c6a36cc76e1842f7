// Similarity `l2` (- sum of (a-b)^2) for AVX2, FMA, F16C.
// Inputs f32, f16 (accumulated in f32) and u8 (accumulated in 32-bit integers); see l2.hpp and isa/avx2.hpp for limits
// and tails.
#include "kernels/l2/l2.hpp"

#include "kernels/isa/avx2.hpp"

namespace edgeshard {

float l2_f32_avx2(const void* a, const void* b, size_t dim) { return pair<L2, F32>(a, b, dim); }

float l2_f16_avx2(const void* a, const void* b, size_t dim) { return pair<L2, F16>(a, b, dim); }

float l2_u8_avx2(const void* a, const void* b, size_t dim) {
    __m256i sum = _mm256_setzero_si256();
    for_each_32(a, b, dim, [&](__m256i x, __m256i y) {
        const __m256i d = _mm256_or_si256(_mm256_subs_epu8(x, y), _mm256_subs_epu8(y, x));  // |x - y|
        sum = add_products_u8(sum, d, d);
    });
    return -static_cast<float>(sum_u32(sum));
}

void l2_tile_f32_avx2(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<L2, F32>(queries, stride_bytes, row, dim, sims);
}

void l2_tile_f16_avx2(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<L2, F16>(queries, stride_bytes, row, dim, sims);
}

}  // namespace edgeshard
