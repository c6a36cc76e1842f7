// Cosine similarity of bytes for AVX2, FMA, F16C; see cosine.hpp and isa/avx2.hpp for limits and tails.
#include "kernels/cosine/cosine.hpp"

#include "kernels/isa/avx2.hpp"

namespace edgeshard {

float cosine_u8_avx2(const void* a, const void* b, size_t dim) {
    __m256i ab = _mm256_setzero_si256(), aa = ab, bb = ab;
    for_each_32(a, b, dim, [&](__m256i x, __m256i y) {
        ab = add_products_u8(ab, x, y);
        aa = add_products_u8(aa, x, x);
        bb = add_products_u8(bb, y, y);
    });
    return cosine_from_sums(sum_u32(ab), sum_u32(aa), sum_u32(bb));
}

}  // namespace edgeshard
