// The orthonormal Walsh-Hadamard transform of a power of two of doubles, in place. Only sums and one product per number: the
// same on every instruction set, to the last bit.
#pragma once
#include <cstddef>

#include "support/cpu.hpp"

namespace edgeshard::quantized {

using HadamardFn = void (*)(double* x, size_t size);

// The kernel of an instruction set, which must be available.
HadamardFn hadamard_fn(Isa isa = best_isa());

void hadamard_scalar(double*, size_t);
void hadamard_avx2(double*, size_t);
void hadamard_avx512(double*, size_t);

}  // namespace edgeshard::quantized
