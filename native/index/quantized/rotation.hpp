// The fixed rotation of TurboQuant: Walsh-Hadamard transforms with permutations in between.
//
//     x <- H(x); for each of 3 permutations: x <- H(permute(x))
//
// H is orthonormal and works on blocks of decreasing powers of two (the binary digits of the length). The permutations
// are Fisher-Yates shuffles driven by a 64-bit LCG with fixed seeds, so a rotation is known from its length alone.
// After Qdrant's TurboQuant (Zandieh et al. 2025 describe the method with a random rotation).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/quantized/hadamard.hpp"
#include "kernels/quantized/lanes.hpp"

namespace edgeshard::quantized {

class Rotation {
public:
    explicit Rotation(size_t n);

    size_t size() const { return n_; }
    // In place; `scratch` has room for size() numbers.
    void forward(double* x, double* scratch) const;
    // The inverse, of kLanes vectors side by side: from `x`, which is used up, to `out`.
    void inverse(const LaneKernels& kernels, LaneNumbers* x, LaneNumbers* out) const;

private:
    void transform(double* x) const;

    size_t n_;
    HadamardFn hadamard_;
    std::array<std::vector<uint32_t>, 3> maps_;
};

}  // namespace edgeshard::quantized
