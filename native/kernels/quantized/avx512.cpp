// Kernels over compressed vectors for AVX-512 with VNNI: 64 codes are multiplied and added by two instructions, one for
// the high part of the query's numbers and one for the low part. Lanes stay below 2^31 for rows of up to 65536 bytes:
// 4 * 255 * 127 per instruction, 1024 * 8 instructions, 2.7e8.
#include <immintrin.h>

#include "kernels/quantized/loops.hpp"

namespace edgeshard::quantized {
namespace {

constexpr size_t kChains = 4;  // sums that grow side by side: each addition waits for the one before

inline __mmask64 first(size_t n) { return n >= 64 ? ~__mmask64{0} : (__mmask64{1} << n) - 1; }

template <unsigned Bits>
void plane_dots_of(const PlaneQuery& query, RowPointers rows, size_t n, int64_t* sums) {
    constexpr unsigned kPlanes = 8 / Bits;
    const __m512i mask = _mm512_set1_epi8(static_cast<char>((1u << Bits) - 1));
    __m512i levels = mask;
    if constexpr (Bits < 8)
        levels = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
    each_row(rows, n, query.bytes, sums, [&](const uint8_t* row) {
        __m512i high[2] = {}, low[2] = {};  // chains of additions that do not wait for one another
        const auto add = [&](__m512i packed, size_t i, unsigned chain) {
#pragma GCC unroll 8
            for (unsigned p = 0; p < kPlanes; ++p) {
                __m512i codes = packed;
                if constexpr (Bits < 8)
                    codes = _mm512_shuffle_epi8(
                        levels, _mm512_and_si512(_mm512_srli_epi16(packed, p * Bits), mask));
                const size_t at = p * query.plane + i;
                __m512i &above = high[(p + chain) % 2], &below = low[(p + chain) % 2];
                above = _mm512_dpbusd_epi32(above, codes, _mm512_loadu_si512(query.high + at));
                below = _mm512_dpbusd_epi32(below, codes, _mm512_loadu_si512(query.low + at));
            }
        };
        size_t i = 0;
        for (; i + 128 <= query.bytes; i += 128) {
            add(_mm512_loadu_si512(row + i), i, 0);
            add(_mm512_loadu_si512(row + i + 64), i + 64, 1);
        }
        for (; i < query.bytes; i += 64) add(_mm512_maskz_loadu_epi8(first(query.bytes - i), row + i), i, 0);
        const auto total = [](const __m512i* parts) {
            return _mm512_reduce_add_epi32(_mm512_add_epi32(parts[0], parts[1]));
        };
        return 128 * static_cast<int64_t>(total(high)) + total(low);
    });
}

void plane_dots(const PlaneQuery& query, RowPointers rows, size_t n, int64_t* sums) {
    const auto fn = query.bits == 1   ? plane_dots_of<1>
                    : query.bits == 2 ? plane_dots_of<2>
                    : query.bits == 4 ? plane_dots_of<4>
                                      : plane_dots_of<8>;
    fn(query, rows, n, sums);
}

void byte_dots(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums) {
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        __m512i even = _mm512_setzero_si512(), odd = even;  // two chains of additions
        size_t i = 0;
        for (; i + 128 <= bytes; i += 128) {
            even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(row + i), _mm512_loadu_si512(query + i));
            odd = _mm512_dpbusd_epi32(odd, _mm512_loadu_si512(row + i + 64), _mm512_loadu_si512(query + i + 64));
        }
        for (; i < bytes; i += 64) {
            const __mmask64 mask = first(bytes - i);
            even = _mm512_dpbusd_epi32(even, _mm512_maskz_loadu_epi8(mask, row + i),
                                       _mm512_maskz_loadu_epi8(mask, query + i));
        }
        return _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
    });
}

void byte_distances(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums) {
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        __m512i sum = _mm512_setzero_si512();
        for (size_t i = 0; i < bytes; i += 64) {
            const __mmask64 mask = first(bytes - i);
            sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_maskz_loadu_epi8(mask, row + i),
                                                        _mm512_maskz_loadu_epi8(mask, query + i)));
        }
        return static_cast<int32_t>(_mm512_reduce_add_epi64(sum));
    });
}

void word_dots(const float* query, RowPointers rows, size_t n, size_t dim, float* sums) {
    each_row(rows, n, 2 * dim, sums, [&](const uint8_t* row) {
        __m512 sum[kChains] = {};
        const auto widen = [](__m256i words) { return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(words)); };
        size_t i = 0;
        for (; i + 16 * kChains <= dim; i += 16 * kChains)
#pragma GCC unroll 4
            for (size_t c = 0; c < kChains; ++c) {
                const size_t at = i + 16 * c;
                const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + 2 * at));
                sum[c] = _mm512_fmadd_ps(widen(words), _mm512_loadu_ps(query + at), sum[c]);
            }
        for (; i < dim; i += 16) {
            const __mmask16 mask = dim - i >= 16 ? 0xffff : static_cast<__mmask16>((1u << (dim - i)) - 1);
            sum[0] = _mm512_fmadd_ps(widen(_mm256_maskz_loadu_epi16(mask, row + 2 * i)),
                                     _mm512_maskz_loadu_ps(mask, query + i), sum[0]);
        }
        return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
    });
}

}  // namespace

Kernels kernels_avx512() {
    return {plane_dots, byte_dots, byte_distances, bit_distances, word_dots, table_sums, nearest};
}

}  // namespace edgeshard::quantized
