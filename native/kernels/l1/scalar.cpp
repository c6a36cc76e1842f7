// Similarity `l1` (- sum of |a-b|) for any processor.
// Inputs f32, f16 (accumulated in f32) and u8 (accumulated in 32-bit integers); see l1.hpp and isa/scalar.hpp for limits
// and tails.
#include "kernels/l1/l1.hpp"

#include "kernels/isa/scalar.hpp"

namespace edgeshard {

float l1_f32_scalar(const void* a, const void* b, size_t dim) { return pair<L1, F32>(a, b, dim); }

float l1_f16_scalar(const void* a, const void* b, size_t dim) { return pair<L1, F16>(a, b, dim); }

float l1_u8_scalar(const void* a, const void* b, size_t dim) {
    const auto* x = static_cast<const uint8_t*>(a);
    const auto* y = static_cast<const uint8_t*>(b);
    uint32_t sum = 0;
    for (size_t i = 0; i < dim; ++i) sum += static_cast<uint32_t>(x[i] > y[i] ? x[i] - y[i] : y[i] - x[i]);
    return -static_cast<float>(sum);
}

}  // namespace edgeshard
