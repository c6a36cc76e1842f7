// Several vectors of doubles side by side, x[i].of[l] being number i of vector l: what is done to one number of a vector
// after another is done to those of all vectors at once. Every sum and product is that of one vector alone, in the same
// order: the same numbers on every instruction set, to the last bit.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/quantized/quantized.hpp"

namespace edgeshard::quantized {

inline constexpr size_t kLanes = 8;

// One number of every vector: a cache line.
struct alignas(kLanes * sizeof(double)) LaneNumbers {
    double of[kLanes];
};

struct LaneKernels {
    // The orthonormal Walsh-Hadamard transform of `size` (a power of two) numbers of each vector, in place; or, with places,
    // number i of the result as number places[i] of `out`, another array, and x used up.
    void (*hadamard)(LaneNumbers* x, size_t size, const uint32_t* places, LaneNumbers* out);

    // The codes of 1, 2, 4, 8 or 16 bits in the first `bytes` bytes of kLanes records, as numbers value * by.of[l]. Values
    // are levels[code] (16 floats to be read), or whole numbers around 128 (8 bits) or 0 (16 bits).
    void (*spread)(RowPointers records, size_t bytes, unsigned bits, const float* levels, const LaneNumbers& by,
                   LaneNumbers* x);

    // sums[l] = sum of |query[i] - number i of vector l as a float|, in floats and one after the other.
    void (*distances)(const float* query, const LaneNumbers* x, size_t n, float* sums);
};

// The kernels of an instruction set, which must be available.
LaneKernels lane_kernels(Isa isa = best_isa());

LaneKernels lane_kernels_scalar();
LaneKernels lane_kernels_avx2();
LaneKernels lane_kernels_avx512();

}  // namespace edgeshard::quantized
