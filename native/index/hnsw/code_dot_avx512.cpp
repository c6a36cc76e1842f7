// AVX-512 VNNI: four rows at a time, 64 products an instruction.
#include <immintrin.h>

#include "index/hnsw/code_dot.hpp"
#include "kernels/isa/avx512_sums.hpp"

namespace edgeshard {
namespace {

inline __m512i half(const void* p) {
    return _mm512_zextsi256_si512(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}

}  // namespace

void listed_dots_avx512(const uint8_t* codes, size_t stride, DotQuery query, const uint32_t* ids, size_t n,
                     int32_t* out) {
    const __m128i shift = _mm_set1_epi32(128 * query.sum);
    for (size_t i = 0; i < n; i += 4) {
        const size_t left = n - i;
        const uint8_t* r0 = codes + ids[i] * stride;
        const uint8_t* r1 = codes + ids[i + (left > 1 ? 1 : 0)] * stride;
        const uint8_t* r2 = codes + ids[i + (left > 2 ? 2 : 0)] * stride;
        const uint8_t* r3 = codes + ids[i + (left > 3 ? 3 : 0)] * stride;
        __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
        size_t j = 0;
        for (; j + 64 <= stride; j += 64) {
            const __m512i q = _mm512_loadu_si512(query.values + j);
            a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(r0 + j), q);
            b = _mm512_dpbusd_epi32(b, _mm512_loadu_si512(r1 + j), q);
            c = _mm512_dpbusd_epi32(c, _mm512_loadu_si512(r2 + j), q);
            d = _mm512_dpbusd_epi32(d, _mm512_loadu_si512(r3 + j), q);
        }
        if (j < stride) {  // 32 bytes; the other half of the query is zero
            const __m512i q = half(query.values + j);
            a = _mm512_dpbusd_epi32(a, half(r0 + j), q);
            b = _mm512_dpbusd_epi32(b, half(r1 + j), q);
            c = _mm512_dpbusd_epi32(c, half(r2 + j), q);
            d = _mm512_dpbusd_epi32(d, half(r3 + j), q);
        }
        const __m128i sums = _mm_sub_epi32(sum4(a, b, c, d), shift);
        const auto used = static_cast<__mmask8>(left >= 4 ? 15u : (1u << left) - 1);
        _mm_mask_storeu_epi32(out + i, used, sums);
    }
}

int32_t row_query_avx512(const uint8_t* row, size_t stride, int8_t* values) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80)), ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512();
    size_t j = 0;
    for (; j + 64 <= stride; j += 64) {
        const __m512i r = _mm512_loadu_si512(row + j);
        _mm512_storeu_si512(values + j, _mm512_xor_si512(r, flip));
        sum = _mm512_dpbusd_epi32(sum, r, ones);
    }
    if (j < stride) {  // 32 bytes
        const __m512i r = half(row + j);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + j), _mm512_castsi512_si256(_mm512_xor_si512(r, flip)));
        sum = _mm512_dpbusd_epi32(sum, r, ones);
    }
    return _mm512_reduce_add_epi32(sum) - 128 * static_cast<int32_t>(stride);
}

}  // namespace edgeshard
