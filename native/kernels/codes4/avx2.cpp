// Half-byte codes (codes4.hpp) for AVX2: u4 codes and i8 query -> exact i32 dot product -> f32 bounds.
// vpmaddubsw adds two products in 16 bits; the pairs of both halves fit: 4 * 15 * 127 = 7,620.
#include <immintrin.h>

#include "kernels/codes4/codes4.hpp"
#include "kernels/isa/avx2_sums.hpp"

namespace edgeshard {
namespace {

inline __m256i add_products(__m256i sum, __m256i codes, __m256i low_query, __m256i high_query) {
    const __m256i low_half = _mm256_set1_epi8(15);
    const __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(codes, low_half), low_query);
    const __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(codes, 4), low_half), high_query);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1)));
}

inline void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t query_sum, size_t width, int32_t* out) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t i = 0; i < width; i += 32) {
        const __m256i low = load_bytes(query + i), high = load_bytes(query + width + i);
        s0 = add_products(s0, load_bytes(rows[0] + i), low, high);
        s1 = add_products(s1, load_bytes(rows[1] + i), low, high);
        s2 = add_products(s2, load_bytes(rows[2] + i), low, high);
        s3 = add_products(s3, load_bytes(rows[3] + i), low, high);
    }
    const __m128i sums = sum4(s0, s1, s2, s3);
    const __m128i dots = _mm_sub_epi32(_mm_slli_epi32(sums, 1), _mm_set1_epi32(15 * query_sum));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), dots);
}

}  // namespace
}  // namespace edgeshard

#include "kernels/codes8/bounds.hpp"

namespace edgeshard {

void bounds_codes4_avx2(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                        float* lower, float* upper) {
    bounds(query, rows, first, listed, n, lower, upper);
}

}  // namespace edgeshard
