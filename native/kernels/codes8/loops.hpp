// The parts of the code kernels that are plain loops: compiled once per instruction set, by inclusion, so that the
// compiler vectorises them for it. Everything has internal linkage.
//
// The including file provides, in namespace edgeshard's anonymous namespace:
//     void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t query_sum, size_t stride, int32_t* out)
//     float residual(float x, float scale, float v)   x - scale * v, with relative error at most 2^-22
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/codes8/codes8.hpp"
#include "kernels/prefetch.hpp"

namespace edgeshard {
namespace {

constexpr size_t kBoundRows = 64;  // rows whose integer dot products are held at a time

inline void dot_rows(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                     int32_t* dots) {
    const auto row = [&](size_t i) { return rows.codes + (listed ? listed[i] : first + i) * rows.stride; };
    for (size_t i = 0; i < n; i += 4) {
        const uint8_t* four[4];
        for (size_t j = 0; j < 4; ++j) four[j] = row(i + j < n ? i + j : n - 1);
        int32_t out[4];
        dots4(four, query.codes, query.sum, rows.stride, out);
        for (size_t j = 0; j < 4 && i + j < n; ++j) dots[i + j] = out[j];
    }
}

// The intervals of codes8.hpp from the integer dot products of n <= kBoundRows rows.
inline void intervals(const CodeQuery& q, const float* scale, const float* error, const float* norm,
                      const int32_t* dots, size_t n, float* lower, float* upper) {
    if (!q.euclid) {
        for (size_t i = 0; i < n; ++i) {
            const float estimate = static_cast<float>(dots[i]) * (scale[i] * q.step);
            const float width = q.by_error * error[i] + q.by_norm * norm[i] + q.slack;
            lower[i] = estimate - width;
            upper[i] = estimate + width;
        }
        return;
    }
    for (size_t i = 0; i < n; ++i) {
        const float estimate = static_cast<float>(dots[i]) * (scale[i] * q.step);
        const float reach = q.length + norm[i];
        const float squared = q.length2 - 2 * estimate + norm[i] * norm[i];
        const float width = q.by_norm * norm[i] + 0x1p-19f * (reach * reach) + q.slack;
        const float least = squared - width, most = squared + width;
        float near = std::sqrt(least > 0 ? least : 0) * (1 - 0x1p-22f) - error[i];
        near = near > 0 ? near : 0;
        const float far = std::sqrt(most > 0 ? most : 0) * (1 + 0x1p-22f) + error[i];
        upper[i] = near * near * (q.gamma - 1) + q.slack;
        lower[i] = far * far * (-1 - q.gamma) - q.slack;
    }
}

inline void bounds(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                   float* lower, float* upper) {
    for (size_t at = 0; at < n; at += kBoundRows) {
        const size_t m = n - at < kBoundRows ? n - at : kBoundRows;
        int32_t dots[kBoundRows];
        if (!listed) {
            const size_t f = first + at;
            dot_rows(query, rows, f, nullptr, m, dots);
            intervals(query, rows.scale + f, rows.error + f, rows.norm + f, dots, m, lower + at, upper + at);
            continue;
        }
        float scale[kBoundRows], error[kBoundRows], norm[kBoundRows];
        for (size_t i = 0; i < m; ++i) {
            prefetch_row(rows.codes + listed[at + i] * rows.stride, rows.stride);
            scale[i] = rows.scale[listed[at + i]];
            error[i] = rows.error[listed[at + i]];
            norm[i] = rows.norm[listed[at + i]];
        }
        dot_rows(query, rows, 0, listed + at, m, dots);
        intervals(query, scale, error, norm, dots, m, lower + at, upper + at);
    }
}

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
