// Cosine similarity of bytes for any processor; see cosine.hpp and isa/scalar.hpp for limits and tails.
#include "kernels/cosine/cosine.hpp"

#include "kernels/isa/scalar.hpp"

namespace edgeshard {

float cosine_u8_scalar(const void* a, const void* b, size_t dim) {
    const auto* x = static_cast<const uint8_t*>(a);
    const auto* y = static_cast<const uint8_t*>(b);
    uint32_t ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < dim; ++i) {
        ab += static_cast<uint32_t>(x[i]) * y[i];
        aa += static_cast<uint32_t>(x[i]) * x[i];
        bb += static_cast<uint32_t>(y[i]) * y[i];
    }
    return cosine_from_sums(ab, aa, bb);
}

}  // namespace edgeshard
