// Sums above a bar with AVX-512.
#include <immintrin.h>

#include "kernels/sums/sums.hpp"

namespace edgeshard {

void sums_above_avx512(const float* sums, size_t groups, float least, uint64_t* out) {
    const __m512 bar = _mm512_set1_ps(least), zero = _mm512_setzero_ps();
    for (size_t g = 0; g < groups; ++g, sums += kSumGroup) {
        uint64_t bits = 0;
        for (size_t i = 0; i < kSumGroup; i += 16) {
            const __m512 some = _mm512_loadu_ps(sums + i);
            const __mmask16 above =
                _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(some, bar, _CMP_GT_OQ), some, zero, _CMP_NEQ_OQ);
            bits |= static_cast<uint64_t>(above) << i;
        }
        out[g] = bits;
    }
}

}  // namespace edgeshard
