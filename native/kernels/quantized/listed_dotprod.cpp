// Armv8.2 with dot products: codes are looked up as bytes and become signed, sixteen products an instruction. What that
// takes from each code, 128 times its plane, is added again for a whole row; sums wrap around on the way.
#include <arm_neon.h>

#include "kernels/quantized/listed.hpp"

namespace edgeshard::quantized {
namespace {

int32_t taken_from_row(const ListedQuery& query) {
    int32x4_t sum = vdupq_n_s32(0);
    for (size_t j = 0; j < 8 / query.bits * query.stride; j += 16)
        sum = vdotq_s32(sum, vld1q_s8(query.planes + j), vdupq_n_s8(1));
    return vaddvq_s32(vshlq_n_s32(sum, 7));
}

void listed_dots(const uint8_t* rows, const ListedQuery& query, const uint32_t* ids, size_t n, int32_t* out) {
    const unsigned planes = 8 / query.bits;
    const uint8x16_t mask = vdupq_n_u8(static_cast<uint8_t>((1u << query.bits) - 1)), flip = vdupq_n_u8(0x80);
    const uint8x16_t levels = query.bits < 8 ? veorq_u8(vld1q_u8(query.levels), flip) : mask;
    const int32x4_t taken = vsetq_lane_s32(taken_from_row(query), vdupq_n_s32(0), 0);
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* row = rows + ids[i] * query.stride;
        int32x4_t sum[2] = {taken, vdupq_n_s32(0)};
        for (size_t j = 0; j < query.stride; j += 32)
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; ++h) {
                const uint8x16_t packed = vld1q_u8(row + j + 16 * h);
                for (unsigned p = 0; p < planes; ++p) {
                    uint8x16_t codes = veorq_u8(packed, flip);
                    if (query.bits < 8) {
                        const int8x16_t shift = vdupq_n_s8(static_cast<int8_t>(-static_cast<int>(p * query.bits)));
                        codes = vqtbl1q_u8(levels, vandq_u8(vshlq_u8(packed, shift), mask));
                    }
                    const int8x16_t plane = vld1q_s8(query.planes + p * query.stride + j + 16 * h);
                    sum[h] = vdotq_s32(sum[h], vreinterpretq_s8_u8(codes), plane);
                }
            }
        out[i] = vaddvq_s32(vaddq_s32(sum[0], sum[1]));
    }
}

}  // namespace

ListedKernels listed_kernels_dotprod() { return {listed_dots, listed_kernels_neon().bits}; }

}  // namespace edgeshard::quantized
