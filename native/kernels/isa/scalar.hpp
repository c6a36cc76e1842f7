// The definition of every operation, one element after the other. Included by the scalar.cpp files only.
//
// Element types: F32 (float), F16 (half, widened to float), U8. Operations over floats: Dot, L2, L1.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cmath>

#include "kernels/half.hpp"

namespace edgeshard {
namespace {

struct F32 {
    using T = float;
    static float load(const T* p) { return *p; }
};

struct F16 {
    using T = uint16_t;
    static float load(const T* p) { return half_to_float(*p); }
};

struct Dot {
    static float step(float sum, float a, float b) { return sum + a * b; }
    static float finish(float sum) { return sum; }
};

struct L2 {
    static float step(float sum, float a, float b) { return sum + (a - b) * (a - b); }
    static float finish(float sum) { return -sum; }
};

struct L1 {
    static float step(float sum, float a, float b) { return sum + std::fabs(a - b); }
    static float finish(float sum) { return -sum; }
};

template <class Op, class E>
float pair(const void* a, const void* b, size_t dim) {
    const auto* x = static_cast<const typename E::T*>(a);
    const auto* y = static_cast<const typename E::T*>(b);
    float sum = 0;
    for (size_t i = 0; i < dim; ++i) sum = Op::step(sum, E::load(x + i), E::load(y + i));
    return Op::finish(sum);
}

}  // namespace
}  // namespace edgeshard
