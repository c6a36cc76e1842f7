// Similarity `l1` (- sum of |a-b|) of bytes for Armv8.2 with dot products; see l1.hpp and isa/neon.hpp for limits and tails.
// Floats have no use for them: their kernels are those of NEON.
#include "kernels/l1/l1.hpp"

#include "kernels/isa/neon.hpp"

namespace edgeshard {

float l1_u8_dotprod(const void* a, const void* b, size_t dim) {
    const uint8x16_t ones = vdupq_n_u8(1);
    uint32x4_t sum = vdupq_n_u32(0);
    for_each_16(a, b, dim, [&](uint8x16_t x, uint8x16_t y) { sum = vdotq_u32(sum, vabdq_u8(x, y), ones); });
    return -static_cast<float>(vaddvq_u32(sum));
}

}  // namespace edgeshard
