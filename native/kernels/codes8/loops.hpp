// The parts of the code kernels that are plain loops: compiled once per instruction set, by inclusion, so that the
// compiler vectorises them for it. Everything has internal linkage.
//
// The including file provides, in namespace edgeshard's anonymous namespace:
//     void dots4(...)   see bounds.hpp
//     float residual(float x, float scale, float v)   x - scale * v, with relative error at most 2^-22
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/codes8/bounds.hpp"

namespace edgeshard {
namespace {

// Sums run in 16 independent lanes; terms are not negative, so each sum has relative error gamma(dim + 4).
inline void encode(const float* row, size_t dim, uint8_t* codes, size_t stride, float* scale, float* error,
                   float* norm) {
    constexpr size_t kLanes = 16;
    float top[kLanes] = {}, squares[kLanes] = {};
    const size_t whole = dim / kLanes * kLanes;
    const auto measure = [&](float x, size_t j) {
        const float magnitude = x < 0 ? -x : x;
        top[j] = magnitude > top[j] ? magnitude : top[j];
        squares[j] += x * x;
    };
    for (size_t i = 0; i < whole; i += kLanes)
        for (size_t j = 0; j < kLanes; ++j) measure(row[i + j], j);
    for (size_t i = whole; i < dim; ++i) measure(row[i], i - whole);
    float largest = 0, length2 = 0;
    for (size_t j = 0; j < kLanes; ++j) {
        largest = top[j] > largest ? top[j] : largest;
        length2 += squares[j];
    }
    for (size_t i = 0; i < stride; ++i) codes[i] = 128;
    *scale = *norm = 0;
    *error = std::numeric_limits<float>::infinity();
    if (!(length2 < kLargestNorm * kLargestNorm)) return;  // too large, infinite or NaN
    const float g = 1 + static_cast<float>(dim + 64) * 0x1p-22f;
    const float underflow = static_cast<float>(dim + 64) * 0x1p-148f;
    if (largest < 1e-30f) {  // the scale would lose precision: all codes stay zero
        *error = std::sqrt(length2 * g + underflow) * g;
        return;
    }
    const float step = largest / 127, inverse = 127 / largest;
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    float missing[kLanes] = {};
    int32_t whole_squares[kLanes] = {};
    const auto put = [&](size_t i, size_t j) {
        float v = (row[i] * inverse + kRound) - kRound;
        v = v > 127 ? 127 : v < -127 ? -127 : v;
        const int32_t code = static_cast<int32_t>(v);
        const float r = residual(row[i], step, v);
        missing[j] += r * r;
        whole_squares[j] += code * code;
        codes[i] = static_cast<uint8_t>(code + 128);
    };
    for (size_t i = 0; i < whole; i += kLanes)
        for (size_t j = 0; j < kLanes; ++j) put(i + j, j);
    for (size_t i = whole; i < dim; ++i) put(i, i - whole);
    float missing2 = 0, squares_of_codes = 0;
    for (size_t j = 0; j < kLanes; ++j) {
        missing2 += missing[j];
        squares_of_codes += static_cast<float>(whole_squares[j]);
    }
    *scale = step;
    *error = std::sqrt(missing2 * g + underflow) * g;
    *norm = step * std::sqrt(squares_of_codes) * (1 + 0x1p-20f);
}

}  // namespace
}  // namespace edgeshard
