// AVX-512 VNNI: four rows at a time, 64 products an instruction.
#include <immintrin.h>

#include "kernels/isa/avx512_sums.hpp"
#include "kernels/quantized/listed_loops.hpp"

namespace edgeshard::quantized {
namespace {

template <unsigned Bits>
void listed_dots_of(const uint8_t* rows, const ListedQuery& query, const uint32_t* ids, size_t n, int32_t* out) {
    constexpr unsigned kPlanes = 8 / Bits;
    const __m512i mask = _mm512_set1_epi8(static_cast<char>((1u << Bits) - 1));
    __m512i levels = mask;
    if constexpr (Bits < 8)
        levels = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
    const auto unpacked = [&](__m512i packed, unsigned p) {
        if constexpr (Bits == 8) return packed;
        else return _mm512_shuffle_epi8(levels, _mm512_and_si512(_mm512_srli_epi16(packed, p * Bits), mask));
    };
    const size_t stride = query.stride;
    for (size_t i = 0; i < n; i += 4) {
        const size_t left = n - i;
        const uint8_t* r0 = rows + ids[i] * stride;
        const uint8_t* r1 = rows + ids[i + (left > 1 ? 1 : 0)] * stride;
        const uint8_t* r2 = rows + ids[i + (left > 2 ? 2 : 0)] * stride;
        const uint8_t* r3 = rows + ids[i + (left > 3 ? 3 : 0)] * stride;
        __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
        for (size_t j = 0; j < stride; j += 64) {
            const __m512i p0 = _mm512_loadu_si512(r0 + j), p1 = _mm512_loadu_si512(r1 + j);
            const __m512i p2 = _mm512_loadu_si512(r2 + j), p3 = _mm512_loadu_si512(r3 + j);
#pragma GCC unroll 8
            for (unsigned p = 0; p < kPlanes; ++p) {
                const __m512i q = _mm512_loadu_si512(query.planes + p * stride + j);
                a = _mm512_dpbusd_epi32(a, unpacked(p0, p), q);
                b = _mm512_dpbusd_epi32(b, unpacked(p1, p), q);
                c = _mm512_dpbusd_epi32(c, unpacked(p2, p), q);
                d = _mm512_dpbusd_epi32(d, unpacked(p3, p), q);
            }
        }
        const auto used = static_cast<__mmask8>(left >= 4 ? 15u : (1u << left) - 1);
        _mm_mask_storeu_epi32(out + i, used, sum4(a, b, c, d));
    }
}

void listed_dots(const uint8_t* rows, const ListedQuery& query, const uint32_t* ids, size_t n, int32_t* out) {
    const auto fn = query.bits == 1   ? listed_dots_of<1>
                    : query.bits == 2 ? listed_dots_of<2>
                    : query.bits == 4 ? listed_dots_of<4>
                                      : listed_dots_of<8>;
    fn(rows, query, ids, n, out);
}

}  // namespace

ListedKernels listed_kernels_avx512() { return {listed_dots, listed_bits}; }

}  // namespace edgeshard::quantized
