// AVX2 + FMA + F16C building blocks. Included by the avx2.cpp files only; everything has internal linkage, so that no
// code compiled for AVX2 can be picked by the linker for the baseline.
//
// Floats: eight f32 lanes, four independent accumulators (32 elements per turn hide the latency of FMA), then single
// vectors, then a tail loaded under a mask (f32) or through a zeroed copy (f16, u8). Padding elements are zero on both
// sides and add nothing to any operation.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/isa/avx2_sums.hpp"

namespace edgeshard {
namespace {

inline uint32_t sum_u32(__m256i lanes) { return static_cast<uint32_t>(reduce_add(lanes)); }

struct F32 {
    using T = float;
    static __m256 load(const T* p) { return _mm256_loadu_ps(p); }
    static __m256 load_tail(const T* p, size_t n) {
        const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lanes));
    }
};

struct F16 {
    using T = uint16_t;
    static __m256 load(const T* p) {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    }
    static __m256 load_tail(const T* p, size_t n) {
        uint16_t padded[8] = {};
        std::memcpy(padded, p, n * sizeof(T));
        return load(padded);
    }
};

struct Dot {
    static __m256 step(__m256 sum, __m256 a, __m256 b) { return _mm256_fmadd_ps(a, b, sum); }
    static float finish(float sum) { return sum; }
};

struct L2 {
    static __m256 step(__m256 sum, __m256 a, __m256 b) {
        const __m256 d = _mm256_sub_ps(a, b);
        return _mm256_fmadd_ps(d, d, sum);
    }
    static float finish(float sum) { return -sum; }
};

struct L1 {
    static __m256 step(__m256 sum, __m256 a, __m256 b) {
        return _mm256_add_ps(sum, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_sub_ps(a, b)));
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
    __m256 sum[Q][4];
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) sum[q][j] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 32 <= dim; i += 32)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            const __m256 b = E::load(y + i + 8 * j);
#pragma GCC unroll 4
            for (int q = 0; q < Q; ++q) sum[q][j] = Op::step(sum[q][j], E::load(x(q) + i + 8 * j), b);
        }
    for (; i + 8 <= dim; i += 8) {
        const __m256 b = E::load(y + i);
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) sum[q][0] = Op::step(sum[q][0], E::load(x(q) + i), b);
    }
    if (i < dim) {
        const __m256 b = E::load_tail(y + i, dim - i);
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) sum[q][1] = Op::step(sum[q][1], E::load_tail(x(q) + i, dim - i), b);
    }
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q)
        sims[q] = Op::finish(
            reduce_add(_mm256_add_ps(_mm256_add_ps(sum[q][0], sum[q][1]), _mm256_add_ps(sum[q][2], sum[q][3]))));
}

template <class Op, class E>
inline float pair(const void* a, const void* b, size_t dim) {
    float sim;
    many<Op, E, 1>(a, 0, b, dim, &sim);
    return sim;
}

// Sixteen registers hold the accumulators of two queries, so a tile of four is done in halves.
template <class Op, class E>
inline void tile(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    many<Op, E, 2>(queries, stride_bytes, row, dim, sims);
    many<Op, E, 2>(static_cast<const char*>(queries) + 2 * stride_bytes, stride_bytes, row, dim, sims + 2);
}

// Calls step(a, b) with 32 bytes of each side at a time; the last ones are zero-padded.
template <class F>
inline void for_each_32(const void* a, const void* b, size_t dim, F&& step) {
    const auto* x = static_cast<const uint8_t*>(a);
    const auto* y = static_cast<const uint8_t*>(b);
    const auto load = [](const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); };
    size_t i = 0;
    for (; i + 32 <= dim; i += 32) step(load(x + i), load(y + i));
    if (i < dim) {
        uint8_t padded[2][32] = {};
        std::memcpy(padded[0], x + i, dim - i);
        std::memcpy(padded[1], y + i, dim - i);
        step(load(padded[0]), load(padded[1]));
    }
}

// sum + the 32 products of two vectors of bytes, pairs added into eight 32-bit lanes.
inline __m256i add_products_u8(__m256i sum, __m256i a, __m256i b) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi8(a, zero), _mm256_unpacklo_epi8(b, zero));
    const __m256i high = _mm256_madd_epi16(_mm256_unpackhi_epi8(a, zero), _mm256_unpackhi_epi8(b, zero));
    return _mm256_add_epi32(sum, _mm256_add_epi32(low, high));
}

}  // namespace
}  // namespace edgeshard
