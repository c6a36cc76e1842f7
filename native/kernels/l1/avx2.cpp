// Similarity `l1` (- sum of |a-b|) for AVX2, FMA, F16C.
// Inputs f32, f16 (accumulated in f32) and u8 (accumulated in 32-bit integers); see l1.hpp and isa/avx2.hpp for limits
// and tails.
#include "kernels/l1/l1.hpp"

#include "kernels/isa/avx2.hpp"

namespace edgeshard {

float l1_f32_avx2(const void* a, const void* b, size_t dim) { return pair<L1, F32>(a, b, dim); }

float l1_f16_avx2(const void* a, const void* b, size_t dim) { return pair<L1, F16>(a, b, dim); }

float l1_u8_avx2(const void* a, const void* b, size_t dim) {
    __m256i sum = _mm256_setzero_si256();  // four 64-bit lanes, each far below 2^32
    for_each_32(a, b, dim, [&](__m256i x, __m256i y) { sum = _mm256_add_epi64(sum, _mm256_sad_epu8(x, y)); });
    return -static_cast<float>(sum_u32(sum));
}

void l1_tile_f32_avx2(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<L1, F32>(queries, stride_bytes, row, dim, sims);
}

void l1_tile_f16_avx2(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<L1, F16>(queries, stride_bytes, row, dim, sims);
}

}  // namespace edgeshard
