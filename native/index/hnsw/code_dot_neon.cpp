// NEON without the optional dot product instructions: 8 x 8 bit products, added in pairs to 32 bits.
#include <arm_neon.h>

#include "index/hnsw/code_dot.hpp"

namespace edgeshard {

void listed_dots_neon(const uint8_t* codes, size_t stride, DotQuery query, const uint32_t* ids, size_t n, int32_t* out) {
    const uint8x16_t flip = vdupq_n_u8(0x80);
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* row = codes + ids[i] * stride;
        int32x4_t low = vdupq_n_s32(0), high = vdupq_n_s32(0);
        for (size_t j = 0; j < stride; j += 16) {
            const int8x16_t r = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row + j), flip));
            const int8x16_t q = vld1q_s8(query.values + j);
            low = vpadalq_s16(low, vmull_s8(vget_low_s8(r), vget_low_s8(q)));
            high = vpadalq_s16(high, vmull_s8(vget_high_s8(r), vget_high_s8(q)));
        }
        out[i] = vaddvq_s32(vaddq_s32(low, high));
    }
}

int32_t row_query_neon(const uint8_t* row, size_t stride, int8_t* values) {
    const uint8x16_t flip = vdupq_n_u8(0x80);
    int32x4_t sum = vdupq_n_s32(0);
    for (size_t j = 0; j < stride; j += 16) {
        const int8x16_t r = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row + j), flip));
        vst1q_s8(values + j, r);
        sum = vpadalq_s16(sum, vpaddlq_s8(r));
    }
    return vaddvq_s32(sum);
}

}  // namespace edgeshard
