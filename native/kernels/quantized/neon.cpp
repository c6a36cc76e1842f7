// Kernels over compressed vectors for NEON (Armv8.0): codes are looked up as bytes and widened to 16 bits, products
// accumulate in 32-bit lanes. Blocks keep the lanes from overflowing: 256 bytes of 1-bit codes are 2048 products of at
// most 255 * 8191 in 4 lanes, below 2^31.
#include <arm_neon.h>

#include "kernels/quantized/loops.hpp"

namespace edgeshard::quantized {
namespace {

constexpr size_t kBlock = 256;

inline uint8x16_t load_row(const uint8_t* p, size_t n) {
    if (n >= 16) return vld1q_u8(p);
    uint8_t padded[16] = {};
    std::memcpy(padded, p, n);
    return vld1q_u8(padded);
}

inline int32x4_t add_products(int32x4_t sum, uint8x16_t codes, const int16_t* whole) {
    const int16x8_t a = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes)));
    const int16x8_t b = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(codes)));
    const int16x8_t x = vld1q_s16(whole), y = vld1q_s16(whole + 8);
    sum = vmlal_s16(sum, vget_low_s16(a), vget_low_s16(x));
    sum = vmlal_s16(sum, vget_high_s16(a), vget_high_s16(x));
    sum = vmlal_s16(sum, vget_low_s16(b), vget_low_s16(y));
    return vmlal_s16(sum, vget_high_s16(b), vget_high_s16(y));
}

void plane_dots(const PlaneQuery& query, RowPointers rows, size_t n, int64_t* sums) {
    const unsigned planes = 8 / query.bits;
    const uint8x16_t mask = vdupq_n_u8(static_cast<uint8_t>((1u << query.bits) - 1));
    const uint8x16_t levels = query.bits < 8 ? vld1q_u8(query.levels) : mask;
    each_row(rows, n, query.bytes, sums, [&](const uint8_t* row) {
        int64_t total = 0;
        for (size_t block = 0; block < query.bytes; block += kBlock) {
            const size_t end = std::min(query.bytes, block + kBlock);
            int32x4_t sum = vdupq_n_s32(0);
            for (size_t i = block; i < end; i += 16) {
                const uint8x16_t packed = load_row(row + i, end - i);
                for (unsigned p = 0; p < planes; ++p) {
                    uint8x16_t codes = packed;
                    if (query.bits < 8) {
                        const int8x16_t shift = vdupq_n_s8(static_cast<int8_t>(-static_cast<int>(p * query.bits)));
                        codes = vqtbl1q_u8(levels, vandq_u8(vshlq_u8(packed, shift), mask));
                    }
                    sum = add_products(sum, codes, query.whole + p * query.plane + i);
                }
            }
            total += vaddlvq_s32(sum);
        }
        return total;
    });
}

void byte_dots(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums) {
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        uint32x4_t sum = vdupq_n_u32(0);
        for (size_t i = 0; i < bytes; i += 16) {
            const uint8x16_t a = load_row(row + i, bytes - i), b = load_row(query + i, bytes - i);
            sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(a), vget_low_u8(b)));
            sum = vpadalq_u16(sum, vmull_u8(vget_high_u8(a), vget_high_u8(b)));
        }
        return static_cast<int32_t>(vaddvq_u32(sum));
    });
}

void byte_distances(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums) {
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        uint32x4_t sum = vdupq_n_u32(0);
        for (size_t i = 0; i < bytes; i += 16)
            sum = vpadalq_u16(sum, vpaddlq_u8(vabdq_u8(load_row(row + i, bytes - i), load_row(query + i, bytes - i))));
        return static_cast<int32_t>(vaddvq_u32(sum));
    });
}

void word_dots(const float* query, RowPointers rows, size_t n, size_t dim, float* sums) {
    each_row(rows, n, 2 * dim, sums, [&](const uint8_t* row) {
        float32x4_t a = vdupq_n_f32(0), b = a;
        size_t i = 0;
        for (; i + 8 <= dim; i += 8) {
            const int16x8_t words = vreinterpretq_s16_u8(vld1q_u8(row + 2 * i));
            a = vfmaq_f32(a, vcvtq_f32_s32(vmovl_s16(vget_low_s16(words))), vld1q_f32(query + i));
            b = vfmaq_f32(b, vcvtq_f32_s32(vmovl_s16(vget_high_s16(words))), vld1q_f32(query + i + 4));
        }
        float sum = vaddvq_f32(vaddq_f32(a, b));
        for (; i < dim; ++i) sum += query[i] * load_i16(row + 2 * i);
        return sum;
    });
}

}  // namespace

Kernels kernels_neon() {
    return {plane_dots, byte_dots, byte_distances, bit_distances, word_dots, table_sums, nearest};
}

}  // namespace edgeshard::quantized
