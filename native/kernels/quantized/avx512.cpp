// Kernels over compressed vectors for AVX-512 with VNNI: 64 codes are multiplied and added by two instructions, one for
// the high part of the query's numbers and one for the low part. Lanes stay below 2^31 for rows of up to 65536 bytes:
// 4 * 255 * 127 per instruction, 1024 * 8 instructions, 1.1e9. So do the sums of all lanes up
// to 65536 codes: 65536 * 255 * 127 is 2.1e9.
#include <immintrin.h>

#include "kernels/quantized/loops.hpp"

namespace edgeshard::quantized {
namespace {

constexpr size_t kChains = 4;  // sums that grow side by side: each addition waits for the one before

inline __mmask64 first(size_t n) { return n >= 64 ? ~__mmask64{0} : (__mmask64{1} << n) - 1; }

// The sum of the lanes of each of four vectors.
inline __m128i reduce_four(const __m512i* v) {
    const auto fold = [](__m512i a, __m512i b) {
        return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    };
    const __m512i x = fold(v[0], v[1]), y = fold(v[2], v[3]);
    const __m512i z = _mm512_add_epi32(_mm512_unpacklo_epi64(x, y), _mm512_unpackhi_epi64(x, y));
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(z), _mm512_extracti64x4_epi64(z, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// Adds 64 bytes of each of four rows: every load of the query serves all of them.
template <unsigned Bits, class Load>
inline void add_planes(const PlaneQuery& query, size_t i, __m512i levels, Load&& load, __m512i* high, __m512i* low) {
    const __m512i mask = _mm512_set1_epi8(static_cast<char>((1u << Bits) - 1));
    const __m512i packed[4] = {load(0), load(1), load(2), load(3)};
#pragma GCC unroll 8
    for (unsigned p = 0; p < 8 / Bits; ++p) {
        const size_t at = p * query.plane + i;
        const __m512i above = _mm512_loadu_si512(query.high + at), below = _mm512_loadu_si512(query.low + at);
#pragma GCC unroll 4
        for (size_t r = 0; r < 4; ++r) {
            __m512i codes = packed[r];
            if constexpr (Bits < 8)
                codes = _mm512_shuffle_epi8(levels, _mm512_and_si512(_mm512_srli_epi16(codes, p * Bits), mask));
            high[r] = _mm512_dpbusd_epi32(high[r], codes, above);
            low[r] = _mm512_dpbusd_epi32(low[r], codes, below);
        }
    }
}

template <unsigned Bits>
void plane_dots_of(const PlaneQuery& query, RowPointers rows, size_t n, int64_t* sums) {
    __m512i levels = _mm512_setzero_si512();
    if constexpr (Bits < 8)
        levels = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
    each_four_rows(rows, n, query.bytes, sums, [&](RowPointers four, int64_t* results) {
        __m512i high[4] = {}, low[4] = {};
        size_t i = 0;
        for (; i + 64 <= query.bytes; i += 64)
            add_planes<Bits>(query, i, levels, [&](size_t r) { return _mm512_loadu_si512(four[r] + i); }, high, low);
        const __mmask64 rest = first(query.bytes - i);
        if (rest)
            add_planes<Bits>(
                query, i, levels, [&](size_t r) { return _mm512_maskz_loadu_epi8(rest, four[r] + i); }, high, low);
        const __m256i above = _mm256_cvtepi32_epi64(reduce_four(high)), below = _mm256_cvtepi32_epi64(reduce_four(low));
        const __m256i total = _mm256_add_epi64(_mm256_slli_epi64(above, 7), below);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(results), total);
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
