// Sums above a bar with AVX2.
#include <immintrin.h>

#include "kernels/sums/sums.hpp"

namespace edgeshard {

void sums_above_avx2(const float* sums, size_t groups, float least, uint64_t* out) {
    const __m256 bar = _mm256_set1_ps(least), zero = _mm256_setzero_ps();
    for (size_t g = 0; g < groups; ++g, sums += kSumGroup) {
        uint64_t bits = 0;
        for (size_t i = 0; i < kSumGroup; i += 8) {
            const __m256 eight = _mm256_loadu_ps(sums + i);
            const __m256 above =
                _mm256_and_ps(_mm256_cmp_ps(eight, bar, _CMP_GT_OQ), _mm256_cmp_ps(eight, zero, _CMP_NEQ_OQ));
            bits |= static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_ps(above))) << i;
        }
        out[g] = bits;
    }
}

}  // namespace edgeshard
