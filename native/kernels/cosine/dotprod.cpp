// Cosine similarity of bytes for Armv8.2 with dot products; see cosine.hpp and isa/neon.hpp for limits and tails.
#include "kernels/cosine/cosine.hpp"

#include "kernels/isa/neon.hpp"

namespace edgeshard {

float cosine_u8_dotprod(const void* a, const void* b, size_t dim) {
    uint32x4_t ab = vdupq_n_u32(0), aa = ab, bb = ab;
    for_each_16(a, b, dim, [&](uint8x16_t x, uint8x16_t y) {
        ab = vdotq_u32(ab, x, y);
        aa = vdotq_u32(aa, x, x);
        bb = vdotq_u32(bb, y, y);
    });
    return cosine_from_sums(vaddvq_u32(ab), vaddvq_u32(aa), vaddvq_u32(bb));
}

}  // namespace edgeshard
