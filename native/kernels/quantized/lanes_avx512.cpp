// The kernels over vectors side by side for AVX-512.
#include <immintrin.h>

#include "kernels/quantized/lanes_loops.hpp"

namespace edgeshard::quantized {
namespace {

void spread(RowPointers records, size_t bytes, unsigned bits, const float* levels, const LaneNumbers& by,
            LaneNumbers* x) {
    if (bits >= 8) return spread_numbers(records, bytes, bits, by, x);
    const __m256 low = _mm256_loadu_ps(levels), high = _mm256_loadu_ps(levels + 8);
    const __m512d factors = _mm512_load_pd(by.of);
    const auto column = [&](size_t i) {
        return _mm256_setr_epi32(records[0][i], records[1][i], records[2][i], records[3][i], records[4][i], records[5][i],
                                 records[6][i], records[7][i]);
    };
    spread_levels(bytes, bits, x, column, [&](__m256i value, unsigned shift, unsigned mask, LaneNumbers& to) {
        const __m256i codes = _mm256_and_si256(_mm256_srli_epi32(value, shift),
                                               _mm256_set1_epi32(static_cast<int>(mask)));
        const __m256 found = _mm256_permutex2var_ps(low, codes, high);
        _mm512_store_pd(to.of, _mm512_mul_pd(_mm512_cvtps_pd(found), factors));
    });
}

void distances(const float* query, const LaneNumbers* x, size_t n, float* sums) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 total = _mm256_setzero_ps();
    for (size_t i = 0; i < n; ++i) {
        const __m256 apart = _mm256_sub_ps(_mm256_set1_ps(query[i]), _mm512_cvtpd_ps(_mm512_load_pd(x[i].of)));
        total = _mm256_add_ps(total, _mm256_andnot_ps(sign, apart));
    }
    _mm256_storeu_ps(sums, total);
}

}  // namespace

LaneKernels lane_kernels_avx512() { return {lanes_hadamard<16, 8>, spread, distances}; }

}  // namespace edgeshard::quantized
