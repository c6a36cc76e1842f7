// AVX2: bytes are widened to 16 bits first, since the u8 x i8 instruction saturates.
#include <immintrin.h>

#include "kernels/isa/avx2_sums.hpp"
#include "kernels/quantized/listed_loops.hpp"

namespace edgeshard::quantized {
namespace {

inline __m256i products(__m128i codes, const int8_t* plane) {
    const __m128i q = _mm_loadu_si128(reinterpret_cast<const __m128i*>(plane));
    return _mm256_madd_epi16(_mm256_cvtepu8_epi16(codes), _mm256_cvtepi8_epi16(q));
}

template <unsigned Bits>
void listed_dots_of(const uint8_t* rows, const ListedQuery& query, const uint32_t* ids, size_t n, int32_t* out) {
    constexpr unsigned kPlanes = 8 / Bits;
    const __m256i mask = _mm256_set1_epi8(static_cast<char>((1u << Bits) - 1));
    __m256i levels = mask;
    if constexpr (Bits < 8)
        levels = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query.levels)));
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* row = rows + ids[i] * query.stride;
        __m256i low = _mm256_setzero_si256(), high = low;
        for (size_t j = 0; j < query.stride; j += 32) {
            const __m256i packed = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + j));
#pragma GCC unroll 8
            for (unsigned p = 0; p < kPlanes; ++p) {
                __m256i codes = packed;
                if constexpr (Bits < 8)
                    codes = _mm256_shuffle_epi8(
                        levels, _mm256_and_si256(_mm256_srli_epi16(packed, static_cast<int>(p * Bits)), mask));
                const int8_t* plane = query.planes + p * query.stride + j;
                low = _mm256_add_epi32(low, products(_mm256_castsi256_si128(codes), plane));
                high = _mm256_add_epi32(high, products(_mm256_extracti128_si256(codes, 1), plane + 16));
            }
        }
        out[i] = reduce_add(_mm256_add_epi32(low, high));
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

ListedKernels listed_kernels_avx2() { return {listed_dots, listed_bits}; }

}  // namespace edgeshard::quantized
