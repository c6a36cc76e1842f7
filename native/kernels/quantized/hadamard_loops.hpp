// The transform as plain loops, compiled once per instruction set by inclusion.
#pragma once
#include <cmath>

#include "kernels/quantized/hadamard.hpp"

namespace edgeshard::quantized {
namespace {

inline void butterflies(double* x, size_t size, size_t h) {
    for (size_t i = 0; i < size; i += 2 * h)
        for (size_t j = i; j < i + h; ++j) {
            const double a = x[j], b = x[j + h];
            x[j] = a + b;
            x[j + h] = a - b;
        }
}

// Two levels at once, h and 2h: half the passes over memory, the same sums.
template <size_t H>
inline void butterflies4(double* x, size_t size, size_t wide) {
    const size_t h = H ? H : wide;  // a constant lets short steps be vectorised
    for (size_t i = 0; i < size; i += 4 * h)
        for (size_t j = i; j < i + h; ++j) {
            const double a = x[j] + x[j + h], b = x[j] - x[j + h];
            const double c = x[j + 2 * h] + x[j + 3 * h], d = x[j + 2 * h] - x[j + 3 * h];
            x[j] = a + c;
            x[j + h] = b + d;
            x[j + 2 * h] = a - c;
            x[j + 3 * h] = b - d;
        }
}

inline void hadamard(double* x, size_t size) {
    size_t h = 1;
    for (; 4 * h <= size; h *= 4) {
        if (h == 1) butterflies4<1>(x, size, h);
        else if (h == 4) butterflies4<4>(x, size, h);
        else butterflies4<0>(x, size, h);
    }
    if (h < size) butterflies(x, size, h);
    const double by = 1 / std::sqrt(static_cast<double>(size));
    for (size_t i = 0; i < size; ++i) x[i] *= by;
}

}  // namespace
}  // namespace edgeshard::quantized
