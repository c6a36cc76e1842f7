// Bounds from integer dot products: plain loops, compiled once per instruction set and kind of code, by inclusion, so that
// the compiler vectorises them for it. Everything has internal linkage.
//
// The including file provides, in namespace edgeshard's anonymous namespace:
//     void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t query_sum, size_t width, int32_t* out)
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/codes8/codes8.hpp"
#include "kernels/prefetch.hpp"

namespace edgeshard {
namespace {

constexpr size_t kBoundRows = 64;  // rows whose integer dot products are held at a time
constexpr size_t kListedAhead = 16;  // listed rows asked for in advance

// `ahead` listed rows stand behind the n, to be asked for in advance.
inline void dot_rows(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                     size_t ahead, int32_t* dots) {
    const auto row = [&](size_t i) { return rows.codes + (listed ? listed[i] : first + i) * rows.stride; };
    for (size_t i = 0; i < n; i += 4) {
        if (listed)
            for (size_t j = i + kListedAhead; j < i + kListedAhead + 4 && j < n + ahead; ++j)
                prefetch_row(row(j), rows.stride);
        const uint8_t* four[4];
        for (size_t j = 0; j < 4; ++j) four[j] = row(i + j < n ? i + j : n - 1);
        int32_t out[4];
        dots4(four, query.codes, query.sum, rows.width, out);
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

// The numbers of row i of some rows, put side by side.
inline void collect_numbers(const CodeRows& rows, size_t row, size_t i, float* scale, float* error, float* norm) {
    if (rows.scale) {
        scale[i] = rows.scale[row];
        error[i] = rows.error[row];
        norm[i] = rows.norm[row];
        return;
    }
    float numbers[3];
    std::memcpy(numbers, rows.codes + row * rows.stride + rows.width, sizeof numbers);
    scale[i] = numbers[0];
    error[i] = numbers[1];
    norm[i] = numbers[2];
}

inline void bounds(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                   float* lower, float* upper) {
    for (size_t i = 0; listed && i < n && i < kListedAhead; ++i)
        prefetch_row(rows.codes + listed[i] * rows.stride, rows.stride);
    for (size_t at = 0; at < n; at += kBoundRows) {
        const size_t m = n - at < kBoundRows ? n - at : kBoundRows;
        int32_t dots[kBoundRows];
        float scale[kBoundRows], error[kBoundRows], norm[kBoundRows];
        if (listed) {
            dot_rows(query, rows, 0, listed + at, m, n - at - m, dots);
            for (size_t i = 0; i < m; ++i) collect_numbers(rows, listed[at + i], i, scale, error, norm);
            intervals(query, scale, error, norm, dots, m, lower + at, upper + at);
            continue;
        }
        const size_t f = first + at;
        dot_rows(query, rows, f, nullptr, m, 0, dots);
        if (rows.scale) {
            intervals(query, rows.scale + f, rows.error + f, rows.norm + f, dots, m, lower + at, upper + at);
            continue;
        }
        for (size_t i = 0; i < m; ++i) collect_numbers(rows, f + i, i, scale, error, norm);
        intervals(query, scale, error, norm, dots, m, lower + at, upper + at);
    }
}

}  // namespace
}  // namespace edgeshard
