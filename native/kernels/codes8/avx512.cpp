// Byte codes (codes8.hpp) for AVX-512 with VNNI: u8 codes and i8 query -> exact i32 dot product -> f32 bounds.
// vpdpbusd multiplies unsigned codes (v + 128) with the signed query and adds four products to a 32-bit lane; the
// surplus 128 * sum(query) is taken off at the end. |sum| < 2^31 for n <= 66,311 (255 * 127 * n): above kMaxDim.
#include <immintrin.h>

#include <limits>

#include "kernels/codes8/codes8.hpp"
#include "kernels/isa/avx512_sums.hpp"

namespace edgeshard {
namespace {

inline void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t query_sum, size_t stride, int32_t* out) {
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    const auto step = [&](__mmask64 mask) {
        const __m512i q = _mm512_maskz_loadu_epi8(mask, query + i);
        s0 = _mm512_dpbusd_epi32(s0, _mm512_maskz_loadu_epi8(mask, rows[0] + i), q);
        s1 = _mm512_dpbusd_epi32(s1, _mm512_maskz_loadu_epi8(mask, rows[1] + i), q);
        s2 = _mm512_dpbusd_epi32(s2, _mm512_maskz_loadu_epi8(mask, rows[2] + i), q);
        s3 = _mm512_dpbusd_epi32(s3, _mm512_maskz_loadu_epi8(mask, rows[3] + i), q);
    };
    for (; i + 64 <= stride; i += 64) step(~__mmask64{0});
    if (i < stride) step((__mmask64{1} << (stride - i)) - 1);
    const __m128i dots = sum4(s0, s1, s2, s3);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_sub_epi32(dots, _mm_set1_epi32(128 * query_sum)));
}

inline float residual(float x, float scale, float v) { return __builtin_fmaf(-scale, v, x); }

}  // namespace
}  // namespace edgeshard

#include "kernels/codes8/loops.hpp"

namespace edgeshard {

int32_t dot_u8i8_avx512(const uint8_t* codes, const int8_t* query, int32_t query_sum, size_t n) {
    __m512i s0 = _mm512_setzero_si512(), s1 = s0;
    size_t i = 0;
    for (; i + 128 <= n; i += 128) {
        s0 = _mm512_dpbusd_epi32(s0, _mm512_loadu_si512(codes + i), _mm512_loadu_si512(query + i));
        s1 = _mm512_dpbusd_epi32(s1, _mm512_loadu_si512(codes + i + 64), _mm512_loadu_si512(query + i + 64));
    }
    for (; i < n; i += 64) {
        const __mmask64 mask = n - i < 64 ? (__mmask64{1} << (n - i)) - 1 : ~__mmask64{0};
        s0 = _mm512_dpbusd_epi32(s0, _mm512_maskz_loadu_epi8(mask, codes + i), _mm512_maskz_loadu_epi8(mask, query + i));
    }
    return _mm512_reduce_add_epi32(_mm512_add_epi32(s0, s1)) - 128 * query_sum;
}

void bounds_codes8_avx512(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                          float* lower, float* upper) {
    bounds(query, rows, first, listed, n, lower, upper);
}

void encode_codes8_avx512(const float* row, size_t dim, uint8_t* codes, size_t stride, float* scale, float* error,
                          float* norm) {
    encode(row, dim, codes, stride, scale, error, norm);
}

}  // namespace edgeshard
