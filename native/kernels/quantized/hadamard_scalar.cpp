// The transform for the baseline of a platform, and the choice between instruction sets.
#include "kernels/quantized/hadamard_loops.hpp"

namespace edgeshard::quantized {

void hadamard_scalar(double* x, size_t size) { hadamard(x, size); }

HadamardFn hadamard_fn([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return hadamard_avx512;
    if (isa == Isa::avx2) return hadamard_avx2;
#endif
    return hadamard_scalar;
}

}  // namespace edgeshard::quantized
