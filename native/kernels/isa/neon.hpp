// NEON (Armv8.0 baseline) building blocks. Included by the neon.cpp files only.
//
// Floats: four f32 lanes, four independent accumulators (16 elements per turn), then single vectors, then a tail
// through a zeroed copy. Padding elements are zero on both sides and add nothing to any operation.
#pragma once
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace edgeshard {
namespace {

struct F32 {
    using T = float;
    static float32x4_t load(const T* p) { return vld1q_f32(p); }
    static float32x4_t load_tail(const T* p, size_t n) {
        float padded[4] = {};
        std::memcpy(padded, p, n * sizeof(T));
        return load(padded);
    }
};

struct F16 {
    using T = uint16_t;
    static float32x4_t load(const T* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
    static float32x4_t load_tail(const T* p, size_t n) {
        uint16_t padded[4] = {};
        std::memcpy(padded, p, n * sizeof(T));
        return load(padded);
    }
};

struct Dot {
    static float32x4_t step(float32x4_t sum, float32x4_t a, float32x4_t b) { return vfmaq_f32(sum, a, b); }
    static float finish(float sum) { return sum; }
};

struct L2 {
    static float32x4_t step(float32x4_t sum, float32x4_t a, float32x4_t b) {
        const float32x4_t d = vsubq_f32(a, b);
        return vfmaq_f32(sum, d, d);
    }
    static float finish(float sum) { return -sum; }
};

struct L1 {
    static float32x4_t step(float32x4_t sum, float32x4_t a, float32x4_t b) {
        return vaddq_f32(sum, vabdq_f32(a, b));
    }
    static float finish(float sum) { return -sum; }
};

// Q queries against one row: the row is loaded once, every query has its own four accumulators. Every loop over them
// is unrolled, or the compiler would keep the accumulators in memory.
template <class Op, class E, int Q>
inline void many(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    const auto* y = static_cast<const typename E::T*>(row);
    const auto x = [&](int q) {
        return reinterpret_cast<const typename E::T*>(static_cast<const char*>(queries) + q * stride_bytes);
    };
    float32x4_t sum[Q][4];
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) sum[q][j] = vdupq_n_f32(0);
    size_t i = 0;
    for (; i + 16 <= dim; i += 16)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            const float32x4_t b = E::load(y + i + 4 * j);
#pragma GCC unroll 4
            for (int q = 0; q < Q; ++q) sum[q][j] = Op::step(sum[q][j], E::load(x(q) + i + 4 * j), b);
        }
    for (; i + 4 <= dim; i += 4) {
        const float32x4_t b = E::load(y + i);
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) sum[q][0] = Op::step(sum[q][0], E::load(x(q) + i), b);
    }
    if (i < dim) {
        const float32x4_t b = E::load_tail(y + i, dim - i);
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) sum[q][1] = Op::step(sum[q][1], E::load_tail(x(q) + i, dim - i), b);
    }
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q)
        sims[q] =
            Op::finish(vaddvq_f32(vaddq_f32(vaddq_f32(sum[q][0], sum[q][1]), vaddq_f32(sum[q][2], sum[q][3]))));
}

template <class Op, class E>
inline float pair(const void* a, const void* b, size_t dim) {
    float sim;
    many<Op, E, 1>(a, 0, b, dim, &sim);
    return sim;
}

template <class Op, class E>
inline void tile(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    many<Op, E, 4>(queries, stride_bytes, row, dim, sims);
}

// Calls step(a, b) with 16 bytes of each side at a time; the last ones are zero-padded.
template <class F>
inline void for_each_16(const void* a, const void* b, size_t dim, F&& step) {
    const auto* x = static_cast<const uint8_t*>(a);
    const auto* y = static_cast<const uint8_t*>(b);
    size_t i = 0;
    for (; i + 16 <= dim; i += 16) step(vld1q_u8(x + i), vld1q_u8(y + i));
    if (i < dim) {
        uint8_t padded[2][16] = {};
        std::memcpy(padded[0], x + i, dim - i);
        std::memcpy(padded[1], y + i, dim - i);
        step(vld1q_u8(padded[0]), vld1q_u8(padded[1]));
    }
}

// sum + the 16 products of two vectors of bytes, pairs added into four 32-bit lanes.
inline uint32x4_t add_products_u8(uint32x4_t sum, uint8x16_t a, uint8x16_t b) {
    sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(a), vget_low_u8(b)));
    return vpadalq_u16(sum, vmull_u8(vget_high_u8(a), vget_high_u8(b)));
}

}  // namespace
}  // namespace edgeshard
