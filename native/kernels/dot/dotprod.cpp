// Similarity `dot` (sum of a*b) of bytes for Armv8.2 with dot products; see dot.hpp and isa/neon.hpp for limits and tails.
// Floats have no use for them: their kernels are those of NEON.
#include "kernels/dot/dot.hpp"

#include "kernels/isa/neon.hpp"

namespace edgeshard {

float dot_u8_dotprod(const void* a, const void* b, size_t dim) {
    uint32x4_t sum = vdupq_n_u32(0);
    for_each_16(a, b, dim, [&](uint8x16_t x, uint8x16_t y) { sum = vdotq_u32(sum, x, y); });
    return static_cast<float>(vaddvq_u32(sum));
}

}  // namespace edgeshard
