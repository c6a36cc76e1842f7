// The kernels over vectors side by side as loops, compiled once per instruction set by inclusion. W is how many doubles an
// instruction takes, R how many numbers of W vectors the registers hold.
#pragma once
#include <cmath>
#include <cstring>

#include "kernels/quantized/lanes.hpp"

namespace edgeshard::quantized {
namespace {

static_assert(kLanes == 8);

// W of the numbers in a row of LaneNumbers. (Through memcpy compilers move halves.)
template <size_t W>
struct Wide {
    typedef double Type __attribute__((vector_size(W * sizeof(double))));
    typedef double Stored __attribute__((vector_size(W * sizeof(double)), may_alias));

    static Stored& at(LaneNumbers* x, size_t i) { return *reinterpret_cast<Stored*>(&x[i / kLanes].of[i % kLanes]); }
};

// log2(R) levels of butterflies, the first between numbers h apart; every result goes through `put`.
template <size_t R, size_t W, class Put>
inline void butterflies_of(LaneNumbers* x, size_t size, size_t h, Put&& put) {
    for (size_t i = 0; i < size; i += R * h)
        for (size_t at = i * kLanes; at < (i + h) * kLanes; at += W) {
            typename Wide<W>::Type v[R];
#pragma GCC unroll 16
            for (size_t k = 0; k < R; ++k) v[k] = Wide<W>::at(x, at + k * h * kLanes);
#pragma GCC unroll 4
            for (size_t step = 1; step < R; step *= 2)
#pragma GCC unroll 8
                for (size_t pair = 0; pair < R / 2; ++pair) {
                    const size_t a = pair / step * 2 * step + pair % step, b = a + step;
                    const auto sum = v[a] + v[b];
                    v[b] = v[a] - v[b];
                    v[a] = sum;
                }
#pragma GCC unroll 16
            for (size_t k = 0; k < R; ++k) put(at + k * h * kLanes, v[k]);
        }
}

template <size_t R, size_t W>
void last_butterflies(LaneNumbers* x, size_t size, size_t h, const uint32_t* places, LaneNumbers* out) {
    const double by = 1 / std::sqrt(static_cast<double>(size));
    if (!places)
        return butterflies_of<R, W>(x, size, h, [&](size_t at, const auto& v) { Wide<W>::at(x, at) = v * by; });
    butterflies_of<R, W>(x, size, h, [&](size_t at, const auto& v) {
        Wide<W>::at(out, places[at / kLanes] * kLanes + at % kLanes) = v * by;
    });
}

template <size_t R, size_t W>
void lanes_hadamard(LaneNumbers* x, size_t size, const uint32_t* places, LaneNumbers* out) {
    size_t h = 1;
    for (; h * R < size; h *= R)
        butterflies_of<R, W>(x, size, h, [&](size_t at, const auto& v) { Wide<W>::at(x, at) = v; });
    if constexpr (R >= 16)
        if (size / h == 16) return last_butterflies<16, W>(x, size, h, places, out);
    switch (size / h) {
        case 8: return last_butterflies<8, W>(x, size, h, places, out);
        case 4: return last_butterflies<4, W>(x, size, h, places, out);
        case 2: return last_butterflies<2, W>(x, size, h, places, out);
        default: return last_butterflies<1, W>(x, size, h, places, out);
    }
}

// `column(i)` is byte i of every record in one value; `put(value, shift, mask, to)` makes a number of the codes
// byte >> shift & mask.
template <class Column, class Put>
inline void spread_levels(size_t bytes, unsigned bits, LaneNumbers* x, Column&& column, Put&& put) {
    const unsigned mask = (1u << bits) - 1;
    for (size_t i = 0; i < bytes; ++i) {
        const auto value = column(i);
        for (unsigned shift = 0; shift < 8; shift += bits) put(value, shift, mask, *x++);
    }
}

inline void spread_numbers(RowPointers records, size_t bytes, unsigned bits, const LaneNumbers& by, LaneNumbers* x) {
    if (bits == 8) {
        for (size_t i = 0; i < bytes; ++i)
            for (size_t l = 0; l < kLanes; ++l) x[i].of[l] = (records[l][i] - 128) * by.of[l];
        return;
    }
    for (size_t i = 0; i < bytes / 2; ++i)
        for (size_t l = 0; l < kLanes; ++l) {
            int16_t number;
            std::memcpy(&number, records[l] + 2 * i, 2);
            x[i].of[l] = number * by.of[l];
        }
}

}  // namespace
}  // namespace edgeshard::quantized
