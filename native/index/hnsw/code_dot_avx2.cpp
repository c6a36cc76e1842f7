// AVX2: bytes are widened to 16 bits first, since the u8 x i8 instruction saturates.
#include <immintrin.h>

#include "index/hnsw/code_dot.hpp"
#include "kernels/isa/avx2_sums.hpp"

namespace edgeshard {
void listed_dots_avx2(const uint8_t* codes, size_t stride, DotQuery query, const uint32_t* ids, size_t n, int32_t* out) {
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* row = codes + ids[i] * stride;
        __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (size_t j = 0; j < stride; j += 32)
            for (int h = 0; h < 2; ++h) {
                const auto* q = reinterpret_cast<const __m128i*>(query.values + j + 16 * h);
                const auto* r = reinterpret_cast<const __m128i*>(row + j + 16 * h);
                sum[h] = _mm256_add_epi32(sum[h], _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128(r)),
                                                                    _mm256_cvtepi8_epi16(_mm_loadu_si128(q))));
            }
        out[i] = reduce_add(_mm256_add_epi32(sum[0], sum[1])) - 128 * query.sum;
    }
}

int32_t row_query_avx2(const uint8_t* row, size_t stride, int8_t* values) {
    const __m256i flip = _mm256_set1_epi8(static_cast<char>(0x80));
    __m256i sum = _mm256_setzero_si256();
    for (size_t j = 0; j < stride; j += 32) {
        const __m256i r = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + j));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + j), _mm256_xor_si256(r, flip));
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(r, _mm256_setzero_si256()));
    }
    return reduce_add(sum) - 128 * static_cast<int32_t>(stride);  // the upper halves of the sums are zero
}

}  // namespace edgeshard
