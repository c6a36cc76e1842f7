// Sums above a bar with NEON.
#include <arm_neon.h>

#include "kernels/sums/sums.hpp"

namespace edgeshard {

void sums_above_neon(const float* sums, size_t groups, float least, uint64_t* out) {
    const float32x4_t bar = vdupq_n_f32(least);
    const uint32x4_t places = {1, 2, 4, 8};
    for (size_t g = 0; g < groups; ++g, sums += kSumGroup) {
        uint64_t bits = 0;
        for (size_t i = 0; i < kSumGroup; i += 4) {
            const float32x4_t four = vld1q_f32(sums + i);
            const uint32x4_t above = vbicq_u32(vcgtq_f32(four, bar), vceqzq_f32(four));
            bits |= uint64_t{vaddvq_u32(vandq_u32(above, places))} << i;
        }
        out[g] = bits;
    }
}

}  // namespace edgeshard
