#include "kernels/quantized/hadamard_loops.hpp"

namespace edgeshard::quantized {

void hadamard_avx2(double* x, size_t size) { hadamard(x, size); }

}  // namespace edgeshard::quantized
