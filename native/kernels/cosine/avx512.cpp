// Cosine similarity of bytes for AVX-512 F/BW/DQ/VL/VNNI; see cosine.hpp and isa/avx512.hpp for limits and tails.
#include "kernels/cosine/cosine.hpp"

#include "kernels/isa/avx512.hpp"

namespace edgeshard {

float cosine_u8_avx512(const void* a, const void* b, size_t dim) {
    __m512i ab = _mm512_setzero_si512(), aa = ab, bb = ab;
    for_each_64(a, b, dim, [&](__m512i x, __m512i y) {
        ab = add_products_u8(ab, x, y);
        aa = add_products_u8(aa, x, x);
        bb = add_products_u8(bb, y, y);
    });
    return cosine_from_sums(sum_u32(ab), sum_u32(aa), sum_u32(bb));
}

}  // namespace edgeshard
