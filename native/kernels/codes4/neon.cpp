// Half-byte codes (codes4.hpp) for Armv8.0 NEON: u4 codes and i8 query -> exact i32 dot product -> f32 bounds.
// smull and smlal: two products in 16 bits (at most 2 * 15 * 127), pairs added into 32-bit lanes.
#include <arm_neon.h>

#include "kernels/codes4/codes4.hpp"

namespace edgeshard {
namespace {

inline int32x4_t add_products(int32x4_t sum, const uint8_t* codes, int8x16_t low_query, int8x16_t high_query) {
    const uint8x16_t c = vld1q_u8(codes);
    const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(c, vdupq_n_u8(15)));
    const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(c, 4));
    const int16x8_t first = vmull_s8(vget_low_s8(low), vget_low_s8(low_query));
    const int16x8_t second = vmull_s8(vget_high_s8(low), vget_high_s8(low_query));
    sum = vpadalq_s16(sum, vmlal_s8(first, vget_low_s8(high), vget_low_s8(high_query)));
    return vpadalq_s16(sum, vmlal_s8(second, vget_high_s8(high), vget_high_s8(high_query)));
}

inline void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t query_sum, size_t width, int32_t* out) {
    int32x4_t s[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (size_t i = 0; i < width; i += 16) {
        const int8x16_t low = vld1q_s8(query + i), high = vld1q_s8(query + width + i);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) s[j] = add_products(s[j], rows[j] + i, low, high);
    }
    for (int j = 0; j < 4; ++j) out[j] = 2 * vaddvq_s32(s[j]) - 15 * query_sum;
}

}  // namespace
}  // namespace edgeshard

#include "kernels/codes8/bounds.hpp"

namespace edgeshard {

void bounds_codes4_neon(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                        float* lower, float* upper) {
    bounds(query, rows, first, listed, n, lower, upper);
}

}  // namespace edgeshard
