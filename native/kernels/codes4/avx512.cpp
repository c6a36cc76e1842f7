// Half-byte codes (codes4.hpp) for AVX-512 with VNNI: u4 codes and i8 query -> exact i32 dot product -> f32 bounds.
// vpdpbusd as for byte codes, once for the low and once for the high halves of the same bytes.
#include <immintrin.h>

#include "kernels/codes4/codes4.hpp"
#include "kernels/isa/avx512_sums.hpp"

namespace edgeshard {
namespace {

inline __m512i add_products(__m512i sum, __m512i codes, __m512i low_query, __m512i high_query) {
    const __m512i low_half = _mm512_set1_epi8(15);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(codes, low_half), low_query);
    return _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(codes, 4), low_half), high_query);
}

inline void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t query_sum, size_t width, int32_t* out) {
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 64 <= width; i += 64) {
        const __m512i low = _mm512_loadu_si512(query + i), high = _mm512_loadu_si512(query + width + i);
        s0 = add_products(s0, _mm512_loadu_si512(rows[0] + i), low, high);
        s1 = add_products(s1, _mm512_loadu_si512(rows[1] + i), low, high);
        s2 = add_products(s2, _mm512_loadu_si512(rows[2] + i), low, high);
        s3 = add_products(s3, _mm512_loadu_si512(rows[3] + i), low, high);
    }
    if (i < width) {
        const __mmask64 mask = (__mmask64{1} << (width - i)) - 1;
        const auto load = [&](const void* p) { return _mm512_maskz_loadu_epi8(mask, p); };
        const __m512i low = load(query + i), high = load(query + width + i);
        s0 = add_products(s0, load(rows[0] + i), low, high);
        s1 = add_products(s1, load(rows[1] + i), low, high);
        s2 = add_products(s2, load(rows[2] + i), low, high);
        s3 = add_products(s3, load(rows[3] + i), low, high);
    }
    const __m128i sums = sum4(s0, s1, s2, s3);
    const __m128i dots = _mm_sub_epi32(_mm_slli_epi32(sums, 1), _mm_set1_epi32(15 * query_sum));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), dots);
}

}  // namespace
}  // namespace edgeshard

#include "kernels/codes8/bounds.hpp"

namespace edgeshard {

void bounds_codes4_avx512(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                          float* lower, float* upper) {
    bounds(query, rows, first, listed, n, lower, upper);
}

}  // namespace edgeshard
