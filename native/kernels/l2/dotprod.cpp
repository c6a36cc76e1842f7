// Similarity `l2` (- sum of (a-b)^2) of bytes for Armv8.2 with dot products; see l2.hpp and isa/neon.hpp for limits and tails.
// Floats have no use for them: their kernels are those of NEON.
#include "kernels/l2/l2.hpp"

#include "kernels/isa/neon.hpp"

namespace edgeshard {

float l2_u8_dotprod(const void* a, const void* b, size_t dim) {
    uint32x4_t sum = vdupq_n_u32(0);
    for_each_16(a, b, dim, [&](uint8x16_t x, uint8x16_t y) {
        const uint8x16_t d = vabdq_u8(x, y);
        sum = vdotq_u32(sum, d, d);
    });
    return -static_cast<float>(vaddvq_u32(sum));
}

}  // namespace edgeshard
