// Rows of floats as bytes, with proven bounds on what the bytes say about the floats.
//
// A row x is kept as x^ = scale * v with whole numbers v in [-127, 127], stored as v + 128 in unsigned bytes; scale is the
// row's own (largest magnitude / 127), so that neither outliers nor later rows spoil the others. Beside the bytes stand
// error >= |x - x^| and norm >= |x^| (Euclidean norms, rounded up). A query q becomes q^ = step * w the same way.
//
// Dot product, by Cauchy-Schwarz:
//     |<q,x> - <q^,x^>|  <=  |q| |x - x^| + |q - q^| |x^|
// Squared distance: | |q-x| - |q-x^| | <= |x - x^|, and |q-x^|^2 = |q|^2 - 2<q,x^> + |x^|^2 where
//     |<q,x^> - <q^,x^>| <= |q - q^| |x^|
// The bounds are about the float32 similarity that DistanceFn returns, not only about the real number: they are widened
// by the rounding of a sum of n products in any order, gamma(n) |q| |x| with gamma(n) = n u / (1 - n u), u = 2^-24
// (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), by the rounding of the bound's own
// arithmetic, and by underflow. Rows with values that are not finite or too large for this reasoning get error = inf.
#pragma once
#include <cstddef>
#include <cstdint>

#include "support/cpu.hpp"

namespace edgeshard {

// sum of (codes[i] - 128) * query[i]. query_sum is the sum of the query, which lies within [-127, 127].
// Exact for n <= 132,104 (128 * 127 * n < 2^31). Any n, any alignment.
using DotU8I8Fn = int32_t (*)(const uint8_t* codes, const int8_t* query, int32_t query_sum, size_t n);

// Bytes between two rows: the dimension rounded up; the padding is 128 in rows and 0 in queries.
inline constexpr size_t kCodePadding = 32;
constexpr size_t code_stride(size_t dim) { return (dim + kCodePadding - 1) / kCodePadding * kCodePadding; }

// Rows larger than this (Euclidean norm) could overflow float sums.
inline constexpr float kLargestNorm = 1e17f;

// Coded rows: arrays indexed by row.
struct CodeRows {
    const uint8_t* codes;
    size_t stride;  // bytes between two rows
    const float* scale;  // null: a row's three numbers stand behind its codes
    const float* error;
    const float* norm;
    size_t width;  // bytes of codes in a row
};

// A query and everything the bounds need from it.
struct CodeQuery {
    const int8_t* codes;  // stride bytes
    int32_t sum;
    float step;
    bool euclid;     // else dot product
    float by_error;  // dot: half-width of the interval = by_error * error + by_norm * norm + slack
    float by_norm;   // euclid: half-width of |q-x^|^2 = by_norm * norm + 2^-19 (|q| + norm)^2 + slack
    float slack;
    float length, length2;  // |q|, |q|^2
    float gamma;            // euclid: relative rounding of the float sum
};

// lower[i] <= sim(q, x) <= upper[i] for the rows first .. first + n - 1, or, if `listed` is not null, the rows
// listed[0] .. listed[n - 1]. A bound may be infinite; NaN says nothing.
using CodeBoundsFn = void (*)(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed,
                              size_t n, float* lower, float* upper);

// Encodes one row into `stride` bytes and its three numbers.
using CodeEncodeFn = void (*)(const float* row, size_t dim, uint8_t* codes, size_t stride, float* scale, float* error,
                              float* norm);

struct CodeKernels {
    DotU8I8Fn dot;
    CodeBoundsFn bounds;
    CodeEncodeFn encode;
};

CodeKernels code_kernels(Isa isa = best_isa());

#define EDGESHARD_DECLARE_CODES8(isa)                                                                                 \
    int32_t dot_u8i8_##isa(const uint8_t* codes, const int8_t* query, int32_t query_sum, size_t n);                   \
    void bounds_codes8_##isa(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed,      \
                             size_t n, float* lower, float* upper);                                                   \
    void encode_codes8_##isa(const float* row, size_t dim, uint8_t* codes, size_t stride, float* scale, float* error, \
                             float* norm);
EDGESHARD_DECLARE_CODES8(scalar)
EDGESHARD_DECLARE_CODES8(avx2)
EDGESHARD_DECLARE_CODES8(avx512)
EDGESHARD_DECLARE_CODES8(neon)
EDGESHARD_DECLARE_CODES8(dotprod)
#undef EDGESHARD_DECLARE_CODES8

}  // namespace edgeshard
