// Similarity `l2` (- sum of (a-b)^2) for any processor.
// Inputs f32, f16 (accumulated in f32) and u8 (accumulated in 32-bit integers); see l2.hpp and isa/scalar.hpp for limits
// and tails.
#include "kernels/l2/l2.hpp"

#include "kernels/isa/scalar.hpp"

namespace edgeshard {

float l2_f32_scalar(const void* a, const void* b, size_t dim) { return pair<L2, F32>(a, b, dim); }

float l2_f16_scalar(const void* a, const void* b, size_t dim) { return pair<L2, F16>(a, b, dim); }

float l2_u8_scalar(const void* a, const void* b, size_t dim) {
    const auto* x = static_cast<const uint8_t*>(a);
    const auto* y = static_cast<const uint8_t*>(b);
    uint32_t sum = 0;
    for (size_t i = 0; i < dim; ++i) {
        const int d = int{x[i]} - int{y[i]};
        sum += static_cast<uint32_t>(d * d);
    }
    return -static_cast<float>(sum);
}

}  // namespace edgeshard
