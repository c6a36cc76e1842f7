// The kernels over vectors side by side for AVX2.
#include <immintrin.h>

#include "kernels/quantized/lanes_loops.hpp"

namespace edgeshard::quantized {
namespace {

// Levels are looked up in two registers of eight.
void spread(RowPointers records, size_t bytes, unsigned bits, const float* levels, const LaneNumbers& by,
            LaneNumbers* x) {
    if (bits >= 8) return spread_numbers(records, bytes, bits, by, x);
    const __m256 low = _mm256_loadu_ps(levels), high = _mm256_loadu_ps(levels + 8);
    const __m256d first = _mm256_load_pd(by.of), second = _mm256_load_pd(by.of + 4);
    const auto column = [&](size_t i) {
        return _mm256_setr_epi32(records[0][i], records[1][i], records[2][i], records[3][i], records[4][i], records[5][i],
                                 records[6][i], records[7][i]);
    };
    spread_levels(bytes, bits, x, column, [&](__m256i value, unsigned shift, unsigned mask, LaneNumbers& to) {
        const __m256i codes = _mm256_and_si256(_mm256_srli_epi32(value, static_cast<int>(shift)),
                                               _mm256_set1_epi32(static_cast<int>(mask)));
        const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));  // its sign: a code of 8 or more
        const __m256 found = _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, codes),
                                              _mm256_permutevar8x32_ps(high, codes), upper);
        _mm256_store_pd(to.of, _mm256_mul_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(found)), first));
        _mm256_store_pd(to.of + 4, _mm256_mul_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(found, 1)), second));
    });
}

void distances(const float* query, const LaneNumbers* x, size_t n, float* sums) {
    const __m128 sign = _mm_set1_ps(-0.0f);
    __m128 first = _mm_setzero_ps(), second = first;
    for (size_t i = 0; i < n; ++i) {
        const __m128 q = _mm_set1_ps(query[i]);
        const auto apart = [&](const double* from) {
            return _mm_andnot_ps(sign, _mm_sub_ps(q, _mm256_cvtpd_ps(_mm256_load_pd(from))));
        };
        first = _mm_add_ps(first, apart(x[i].of));
        second = _mm_add_ps(second, apart(x[i].of + 4));
    }
    _mm_storeu_ps(sums, first);
    _mm_storeu_ps(sums + 4, second);
}

}  // namespace

LaneKernels lane_kernels_avx2() { return {lanes_hadamard<8, 4>, spread, distances}; }

}  // namespace edgeshard::quantized
