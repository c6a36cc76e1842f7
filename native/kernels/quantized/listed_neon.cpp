// NEON (Armv8.0): codes are looked up as bytes and widened to 16 bits; products accumulate in 32-bit lanes.
#include <arm_neon.h>

#include "kernels/quantized/listed_loops.hpp"

namespace edgeshard::quantized {
namespace {

inline int32x4_t add_products(int32x4_t sum, uint8x8_t codes, int8x8_t plane) {
    const int16x8_t c = vreinterpretq_s16_u16(vmovl_u8(codes)), q = vmovl_s8(plane);
    sum = vmlal_s16(sum, vget_low_s16(c), vget_low_s16(q));
    return vmlal_s16(sum, vget_high_s16(c), vget_high_s16(q));
}

void listed_dots(const uint8_t* rows, const ListedQuery& query, const uint32_t* ids, size_t n, int32_t* out) {
    const unsigned planes = 8 / query.bits;
    const uint8x16_t mask = vdupq_n_u8(static_cast<uint8_t>((1u << query.bits) - 1));
    const uint8x16_t levels = query.bits < 8 ? vld1q_u8(query.levels) : mask;
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* row = rows + ids[i] * query.stride;
        int32x4_t low = vdupq_n_s32(0), high = low;
        for (size_t j = 0; j < query.stride; j += 16) {
            const uint8x16_t packed = vld1q_u8(row + j);
            for (unsigned p = 0; p < planes; ++p) {
                uint8x16_t codes = packed;
                if (query.bits < 8) {
                    const int8x16_t shift = vdupq_n_s8(static_cast<int8_t>(-static_cast<int>(p * query.bits)));
                    codes = vqtbl1q_u8(levels, vandq_u8(vshlq_u8(packed, shift), mask));
                }
                const int8x16_t plane = vld1q_s8(query.planes + p * query.stride + j);
                low = add_products(low, vget_low_u8(codes), vget_low_s8(plane));
                high = add_products(high, vget_high_u8(codes), vget_high_s8(plane));
            }
        }
        out[i] = vaddvq_s32(vaddq_s32(low, high));
    }
}

}  // namespace

ListedKernels listed_kernels_neon() { return {listed_dots, listed_bits}; }

}  // namespace edgeshard::quantized
