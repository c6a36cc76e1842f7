// AVX-512 (F, BW, DQ, VL, VNNI) building blocks. Included by the avx512.cpp files only; everything has internal linkage,
// so that no code compiled for AVX-512 can be picked by the linker for the baseline.
//
// Floats: sixteen f32 lanes, four independent accumulators (64 elements per turn hide the latency of FMA), then single
// vectors, then a tail loaded under a mask; masked-out elements are zero on both sides and add nothing.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace edgeshard {
namespace {

struct F32 {
    using T = float;
    static __m512 load(const T* p) { return _mm512_loadu_ps(p); }
    static __m512 load_tail(const T* p, size_t n) {
        return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
    }
};

struct F16 {
    using T = uint16_t;
    static __m512 load(const T* p) {
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    }
    static __m512 load_tail(const T* p, size_t n) {
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1), p));
    }
};

struct Dot {
    static __m512 step(__m512 sum, __m512 a, __m512 b) { return _mm512_fmadd_ps(a, b, sum); }
    static float finish(float sum) { return sum; }
};

struct L2 {
    static __m512 step(__m512 sum, __m512 a, __m512 b) {
        const __m512 d = _mm512_sub_ps(a, b);
        return _mm512_fmadd_ps(d, d, sum);
    }
    static float finish(float sum) { return -sum; }
};

struct L1 {
    static __m512 step(__m512 sum, __m512 a, __m512 b) {
        return _mm512_add_ps(sum, _mm512_abs_ps(_mm512_sub_ps(a, b)));
    }
    static float finish(float sum) { return -sum; }
};

// The sums of the lanes of four vectors, each in the order of _mm512_reduce_add_ps: halves, quarters, pairs, the two left.
inline __m128 reduce_four(const __m512* v) {
    const auto halves = [](__m512 x) { return _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)); };
    const auto quarters = [&](__m512 x, __m512 y) {
        const __m256 a = halves(x), b = halves(y);
        return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
    };
    const __m256 x = quarters(v[0], v[1]), y = quarters(v[2], v[3]);
    const __m256 pairs = _mm256_add_ps(_mm256_shuffle_ps(x, y, 0x44), _mm256_shuffle_ps(x, y, 0xEE));
    const __m256 sums = _mm256_add_ps(pairs, _mm256_movehdup_ps(pairs));  // of 0, 2 and of 1, 3
    const __m128 even = _mm256_castps256_ps128(sums), odd = _mm256_extractf128_ps(sums, 1);
    return _mm_unpacklo_ps(_mm_shuffle_ps(even, even, 0x08), _mm_shuffle_ps(odd, odd, 0x08));
}

// Q queries against one row: the row is loaded once, every query has its own four accumulators. Every loop over them
// is unrolled, or the compiler would keep the accumulators in memory.
template <class Op, class E, int Q>
inline void many(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    const auto* y = static_cast<const typename E::T*>(row);
    const auto x = [&](int q) {
        return reinterpret_cast<const typename E::T*>(static_cast<const char*>(queries) + q * stride_bytes);
    };
    __m512 sum[Q][4];
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) sum[q][j] = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + 64 <= dim; i += 64)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            const __m512 b = E::load(y + i + 16 * j);
#pragma GCC unroll 4
            for (int q = 0; q < Q; ++q) sum[q][j] = Op::step(sum[q][j], E::load(x(q) + i + 16 * j), b);
        }
    for (; i + 16 <= dim; i += 16) {
        const __m512 b = E::load(y + i);
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) sum[q][0] = Op::step(sum[q][0], E::load(x(q) + i), b);
    }
    if (i < dim) {
        const __m512 b = E::load_tail(y + i, dim - i);
#pragma GCC unroll 4
        for (int q = 0; q < Q; ++q) sum[q][1] = Op::step(sum[q][1], E::load_tail(x(q) + i, dim - i), b);
    }
    __m512 total[Q];
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q)
        total[q] = _mm512_add_ps(_mm512_add_ps(sum[q][0], sum[q][1]), _mm512_add_ps(sum[q][2], sum[q][3]));
    if constexpr (Q == 4) {
        _mm_storeu_ps(sims, reduce_four(total));
        for (int q = 0; q < Q; ++q) sims[q] = Op::finish(sims[q]);
    } else {
        for (int q = 0; q < Q; ++q) sims[q] = Op::finish(_mm512_reduce_add_ps(total[q]));
    }
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

// Calls step(a, b) with 64 bytes of each side at a time; the last ones are zero-padded.
template <class F>
inline void for_each_64(const void* a, const void* b, size_t dim, F&& step) {
    const auto* x = static_cast<const uint8_t*>(a);
    const auto* y = static_cast<const uint8_t*>(b);
    size_t i = 0;
    for (; i + 64 <= dim; i += 64) step(_mm512_loadu_si512(x + i), _mm512_loadu_si512(y + i));
    if (i < dim) {
        const __mmask64 mask = (__mmask64{1} << (dim - i)) - 1;
        step(_mm512_maskz_loadu_epi8(mask, x + i), _mm512_maskz_loadu_epi8(mask, y + i));
    }
}

// Sum of the lanes modulo 2^32. _mm512_reduce_add_epi32 adds its last two as signed numbers, which may overflow.
inline uint32_t sum_u32(__m512i lanes) {
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64(lanes, 1));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(sum));
}

// sum + the 64 products of two vectors of bytes, in sixteen 32-bit lanes.
inline __m512i add_products_u8(__m512i sum, __m512i a, __m512i b) {
    const __m512i zero = _mm512_setzero_si512();
    sum = _mm512_dpwssd_epi32(sum, _mm512_unpacklo_epi8(a, zero), _mm512_unpacklo_epi8(b, zero));
    return _mm512_dpwssd_epi32(sum, _mm512_unpackhi_epi8(a, zero), _mm512_unpackhi_epi8(b, zero));
}

}  // namespace
}  // namespace edgeshard
