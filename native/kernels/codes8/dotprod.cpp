// Byte codes (codes8.hpp) for Armv8.2 with dot products: u8 codes and i8 query -> exact i32 dot product -> f32 bounds.
// sdot: sixteen products an instruction, four of them added into each 32-bit lane. Codes become signed first.
#include <arm_neon.h>

#include <cstring>

#include "kernels/codes8/codes8.hpp"

namespace edgeshard {
namespace {

inline int32x4_t add_products(int32x4_t sum, const uint8_t* codes, int8x16_t query) {
    return vdotq_s32(sum, vreinterpretq_s8_u8(veorq_u8(vld1q_u8(codes), vdupq_n_u8(128))), query);
}

inline void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t, size_t stride, int32_t* out) {
    int32x4_t s[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (size_t i = 0; i < stride; i += 16) {
        const int8x16_t q = vld1q_s8(query + i);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) s[j] = add_products(s[j], rows[j] + i, q);
    }
    vst1q_s32(out, vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3])));
}

}  // namespace
}  // namespace edgeshard

#include "kernels/codes8/bounds.hpp"

namespace edgeshard {

int32_t dot_u8i8_dotprod(const uint8_t* codes, const int8_t* query, int32_t, size_t n) {
    int32x4_t sum[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
#pragma GCC unroll 2
        for (size_t j = 0; j < 2; ++j) sum[j] = add_products(sum[j], codes + i + 16 * j, vld1q_s8(query + i + 16 * j));
    for (; i < n; i += 16) {  // a padding code may be anything where the query is zero
        uint8_t c[16] = {};
        int8_t q[16] = {};
        std::memcpy(c, codes + i, n - i < 16 ? n - i : 16);
        std::memcpy(q, query + i, n - i < 16 ? n - i : 16);
        sum[0] = add_products(sum[0], c, vld1q_s8(q));
    }
    return vaddvq_s32(vaddq_s32(sum[0], sum[1]));
}

void bounds_codes8_dotprod(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed,
                           size_t n, float* lower, float* upper) {
    bounds(query, rows, first, listed, n, lower, upper);
}

}  // namespace edgeshard
