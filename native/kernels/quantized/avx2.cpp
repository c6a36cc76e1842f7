// Kernels over compressed vectors for AVX2: codes are looked up as bytes and widened to 16 bits, where one instruction
// multiplies and adds pairs. Blocks keep 32-bit lanes from overflowing: 512 bytes of 1-bit codes are 4096 products of at
// most 255 * 8191 in 8 lanes, below 2^31.
#include <immintrin.h>

#include "kernels/isa/avx2_sums.hpp"
#include "kernels/quantized/loops.hpp"

namespace edgeshard::quantized {
namespace {

constexpr size_t kBlock = 512;

// `n` bytes of a row, zeros behind them.
inline __m256i load_row(const uint8_t* p, size_t n) {
    if (n >= 32) return load_bytes(p);
    alignas(32) uint8_t padded[32] = {};
    std::memcpy(padded, p, n);
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(padded));
}

template <unsigned Bits>
void plane_dots_of(const PlaneQuery& query, RowPointers rows, size_t n, int64_t* sums) {
    constexpr unsigned kPlanes = 8 / Bits;
    const __m256i mask = _mm256_set1_epi8(static_cast<char>((1u << Bits) - 1));
    __m256i levels = mask;
    if constexpr (Bits < 8)
        levels = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
    each_row(rows, n, query.bytes, sums, [&](const uint8_t* row) {
        int64_t total = 0;
        for (size_t block = 0; block < query.bytes; block += kBlock) {
            const size_t end = std::min(query.bytes, block + kBlock);
            __m256i sum = _mm256_setzero_si256();
            for (size_t i = block; i < end; i += 32) {
                const __m256i packed = load_row(row + i, end - i);
#pragma GCC unroll 8
                for (unsigned p = 0; p < kPlanes; ++p) {
                    __m256i codes = packed;
                    if constexpr (Bits < 8)
                        codes = _mm256_shuffle_epi8(
                            levels, _mm256_and_si256(_mm256_srli_epi16(packed, static_cast<int>(p * Bits)), mask));
                    const int16_t* whole = query.whole + p * query.plane + i;
                    const __m256i low = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(codes));
                    const __m256i high = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(codes, 1));
                    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(low, load_bytes(whole)));
                    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(high, load_bytes(whole + 16)));
                }
            }
            total += reduce_add(sum);
        }
        return total;
    });
}

void plane_dots(const PlaneQuery& query, RowPointers rows, size_t n, int64_t* sums) {
    const auto fn = query.bits == 1   ? plane_dots_of<1>
                    : query.bits == 2 ? plane_dots_of<2>
                    : query.bits == 4 ? plane_dots_of<4>
                                      : plane_dots_of<8>;
    fn(query, rows, n, sums);
}

// Row bytes up to 127: two products fit 16 bits.
void byte_dots(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums) {
    const __m256i ones = _mm256_set1_epi16(1);
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        __m256i sum = _mm256_setzero_si256();
        for (size_t i = 0; i < bytes; i += 32) {
            const __m256i pairs = _mm256_maddubs_epi16(load_row(row + i, bytes - i), load_row(query + i, bytes - i));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
        }
        return reduce_add(sum);
    });
}

void byte_distances(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums) {
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        __m256i sum = _mm256_setzero_si256();
        for (size_t i = 0; i < bytes; i += 32)
            sum = _mm256_add_epi64(sum, _mm256_sad_epu8(load_row(row + i, bytes - i), load_row(query + i, bytes - i)));
        return reduce_add(sum);
    });
}

void word_dots(const float* query, RowPointers rows, size_t n, size_t dim, float* sums) {
    each_row(rows, n, 2 * dim, sums, [&](const uint8_t* row) {
        __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;  // each addition waits for the one before
        const auto widen = [](const uint8_t* p) {
            return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
        };
        size_t i = 0;
        for (; i + 32 <= dim; i += 32) {
            a = _mm256_fmadd_ps(widen(row + 2 * i), _mm256_loadu_ps(query + i), a);
            b = _mm256_fmadd_ps(widen(row + 2 * i + 16), _mm256_loadu_ps(query + i + 8), b);
            c = _mm256_fmadd_ps(widen(row + 2 * i + 32), _mm256_loadu_ps(query + i + 16), c);
            d = _mm256_fmadd_ps(widen(row + 2 * i + 48), _mm256_loadu_ps(query + i + 24), d);
        }
        for (; i + 16 <= dim; i += 16) {
            a = _mm256_fmadd_ps(widen(row + 2 * i), _mm256_loadu_ps(query + i), a);
            b = _mm256_fmadd_ps(widen(row + 2 * i + 16), _mm256_loadu_ps(query + i + 8), b);
        }
        float sum = reduce_add(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
        for (; i < dim; ++i) sum += query[i] * load_i16(row + 2 * i);
        return sum;
    });
}

}  // namespace

Kernels kernels_avx2() {
    return {plane_dots, byte_dots, byte_distances, bit_distances, word_dots, table_sums, nearest};
}

}  // namespace edgeshard::quantized
