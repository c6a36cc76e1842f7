// Half-byte codes (codes4.hpp) for Armv8.2 with dot products: u4 codes and i8 query -> exact i32 dot product -> f32
// bounds. sdot as for byte codes, once for the low and once for the high halves of the same bytes.
#include <arm_neon.h>

#include "kernels/codes4/codes4.hpp"

namespace edgeshard {
namespace {

inline int32x4_t add_products(int32x4_t sum, uint8x16_t codes, int8x16_t low_query, int8x16_t high_query) {
    sum = vdotq_s32(sum, vreinterpretq_s8_u8(vandq_u8(codes, vdupq_n_u8(15))), low_query);
    return vdotq_s32(sum, vreinterpretq_s8_u8(vshrq_n_u8(codes, 4)), high_query);
}

inline void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t query_sum, size_t width, int32_t* out) {
    int32x4_t s[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (size_t i = 0; i < width; i += 16) {
        const int8x16_t low = vld1q_s8(query + i), high = vld1q_s8(query + width + i);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) s[j] = add_products(s[j], vld1q_u8(rows[j] + i), low, high);
    }
    const int32x4_t sums = vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
    vst1q_s32(out, vsubq_s32(vshlq_n_s32(sums, 1), vdupq_n_s32(15 * query_sum)));
}

}  // namespace
}  // namespace edgeshard

#include "kernels/codes8/bounds.hpp"

namespace edgeshard {

void bounds_codes4_dotprod(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed,
                           size_t n, float* lower, float* upper) {
    bounds(query, rows, first, listed, n, lower, upper);
}

}  // namespace edgeshard
