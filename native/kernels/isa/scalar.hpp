// The definition of every operation, in plain C++. Included by the scalar.cpp files only.
//
// Element i is added to partial sum i % 8; the partial sums are then added in order. Eight independent sums instead of
// one let the compiler use what every processor of the platform has (SSE2 on x86-64).
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
    constexpr size_t kSums = 8;
    float sums[kSums] = {};
    size_t i = 0;
    for (; i + kSums <= dim; i += kSums)
        for (size_t j = 0; j < kSums; ++j) sums[j] = Op::step(sums[j], E::load(x + i + j), E::load(y + i + j));
    for (size_t j = 0; i + j < dim; ++j) sums[j] = Op::step(sums[j], E::load(x + i + j), E::load(y + i + j));
    float sum = 0;
    for (float partial : sums) sum += partial;
    return Op::finish(sum);
}

}  // namespace
}  // namespace edgeshard
