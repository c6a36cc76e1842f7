// Byte codes (codes8.hpp) for Armv8.0 NEON: u8 codes and i8 query -> exact i32 dot product -> f32 bounds.
// smull and sadalp: 8-bit products in 16 bits (at most 128 * 127 each), pairs added into 32-bit lanes.
#include <arm_neon.h>

#include <cstring>
#include <limits>

#include "kernels/codes8/codes8.hpp"

namespace edgeshard {
namespace {

inline int32x4_t add_products(int32x4_t sum, const uint8_t* codes, const int8_t* query) {
    const int8x16_t v = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(codes), vdupq_n_u8(128)));
    const int8x16_t q = vld1q_s8(query);
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(v), vget_low_s8(q)));
    return vpadalq_s16(sum, vmull_s8(vget_high_s8(v), vget_high_s8(q)));
}

inline void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t, size_t stride, int32_t* out) {
    int32x4_t s[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (size_t i = 0; i < stride; i += 16)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) s[j] = add_products(s[j], rows[j] + i, query + i);
    for (int j = 0; j < 4; ++j) out[j] = vaddvq_s32(s[j]);
}

inline float residual(float x, float scale, float v) { return __builtin_fmaf(-scale, v, x); }

}  // namespace
}  // namespace edgeshard

#include "kernels/codes8/loops.hpp"

namespace edgeshard {

int32_t dot_u8i8_neon(const uint8_t* codes, const int8_t* query, int32_t, size_t n) {
    int32x4_t sum = vdupq_n_s32(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) sum = add_products(sum, codes + i, query + i);
    if (i < n) {  // a padding code may be anything where the query is zero
        uint8_t c[16] = {};
        int8_t q[16] = {};
        std::memcpy(c, codes + i, n - i);
        std::memcpy(q, query + i, n - i);
        sum = add_products(sum, c, q);
    }
    return vaddvq_s32(sum);
}

void bounds_codes8_neon(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                        float* lower, float* upper) {
    bounds(query, rows, first, listed, n, lower, upper);
}

void encode_codes8_neon(const float* row, size_t dim, uint8_t* codes, size_t stride, float* scale, float* error,
                        float* norm) {
    encode(row, dim, codes, stride, scale, error, norm);
}

}  // namespace edgeshard
