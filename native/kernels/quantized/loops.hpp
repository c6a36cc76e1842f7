// Parts of the kernels over compressed vectors that are plain loops, compiled once per instruction set by inclusion.
// Everything has internal linkage.
#pragma once
#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/prefetch.hpp"
#include "kernels/quantized/quantized.hpp"

namespace edgeshard::quantized {
namespace {

// Whether hardware sees which rows are to come.
inline bool side_by_side(RowPointers rows, size_t n, size_t bytes) {
    const auto at = [&](size_t i) { return reinterpret_cast<uintptr_t>(rows[i]); };
    return n > 1 && at(n - 1) - at(0) <= (n - 1) * (bytes + kCacheLine);
}

// result[i] = one(rows[i]), with the rows to come asked for in time.
template <class T, class F>
inline void each_row(RowPointers rows, size_t n, size_t bytes, T* result, F&& one) {
    if (side_by_side(rows, n, bytes)) {
        for (size_t i = 0; i < n; ++i) result[i] = one(rows[i]);
        return;
    }
    for (size_t i = 0; i < n && i < kPrefetchRows; ++i) prefetch_row(rows[i], bytes);
    for (size_t i = 0; i < n; ++i) {
        if (i + kPrefetchRows < n) prefetch_row(rows[i + kPrefetchRows], bytes);
        result[i] = one(rows[i]);
    }
}

// each_row() of kernels that take four rows at once: four(rows, results). The last row fills up the last four.
template <class T, class F>
inline void each_four_rows(RowPointers rows, size_t n, size_t bytes, T* result, F&& four) {
    const size_t ahead = side_by_side(rows, n, bytes) ? n : kPrefetchRows;
    for (size_t i = 0; ahead < n && i < ahead; ++i) prefetch_row(rows[i], bytes);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        for (size_t next = i + ahead; next < std::min(n, i + ahead + 4); ++next) prefetch_row(rows[next], bytes);
        four(rows + i, result + i);
    }
    if (i == n) return;
    const uint8_t* rest[4];
    T found[4];
    for (size_t j = 0; j < 4; ++j) rest[j] = rows[std::min(i + j, n - 1)];
    four(rest, found);
    std::copy_n(found, n - i, result + i);
}

inline uint64_t load_word(const uint8_t* p, size_t bytes = 8) {
    uint64_t word = 0;
    std::memcpy(&word, p, bytes);
    return word;
}

inline int64_t bit_distance(const uint8_t* a, const uint8_t* b, size_t bytes) {
    int64_t sum = 0;
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) sum += std::popcount(load_word(a + i) ^ load_word(b + i));
    if (i < bytes) sum += std::popcount(load_word(a + i, bytes - i) ^ load_word(b + i, bytes - i));
    return sum;
}

inline void bit_distances(const uint8_t* planes, unsigned count, RowPointers rows, size_t n, size_t bytes,
                          int64_t* sums) {
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        int64_t sum = 0;
        for (unsigned p = 0; p < count; ++p) sum += bit_distance(row, planes + p * bytes, bytes) << p;
        return sum;
    });
}

inline void table_sums(const float* table, RowPointers rows, size_t n, size_t bytes, float* sums) {
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        float sum[4] = {};
        size_t i = 0;
        for (; i + 4 <= bytes; i += 4)
            for (size_t j = 0; j < 4; ++j) sum[j] += table[256 * (i + j) + row[i + j]];
        for (; i < bytes; ++i) sum[0] += table[256 * i + row[i]];
        return (sum[0] + sum[1]) + (sum[2] + sum[3]);
    });
}

inline uint8_t nearest(const float* x, const float* centroids, size_t dim) {
    float distance[256] = {};
    for (size_t d = 0; d < dim; ++d) {
        const float* c = centroids + 256 * d;
        for (size_t j = 0; j < 256; ++j) distance[j] += (x[d] - c[j]) * (x[d] - c[j]);
    }
    float least = distance[0];
    for (size_t j = 1; j < 256; ++j) least = std::min(least, distance[j]);
    for (size_t j = 0; j < 256; ++j)
        if (distance[j] == least) return static_cast<uint8_t>(j);
    return 0;  // distances that are not numbers
}

inline int16_t load_i16(const uint8_t* p) {
    int16_t value;
    std::memcpy(&value, p, 2);
    return value;
}

}  // namespace
}  // namespace edgeshard::quantized
