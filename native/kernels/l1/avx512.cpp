// Similarity `l1` (- sum of |a-b|) for AVX-512 F/BW/DQ/VL/VNNI.
// Inputs f32, f16 (accumulated in f32) and u8 (accumulated in 32-bit integers); see l1.hpp and isa/avx512.hpp for limits
// and tails.
#include "kernels/l1/l1.hpp"

#include "kernels/isa/avx512.hpp"

namespace edgeshard {

float l1_f32_avx512(const void* a, const void* b, size_t dim) { return pair<L1, F32>(a, b, dim); }

float l1_f16_avx512(const void* a, const void* b, size_t dim) { return pair<L1, F16>(a, b, dim); }

float l1_u8_avx512(const void* a, const void* b, size_t dim) {
    __m512i sum = _mm512_setzero_si512();
    for_each_64(a, b, dim, [&](__m512i x, __m512i y) { sum = _mm512_add_epi64(sum, _mm512_sad_epu8(x, y)); });
    return -static_cast<float>(_mm512_reduce_add_epi64(sum));
}

void l1_tile_f32_avx512(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<L1, F32>(queries, stride_bytes, row, dim, sims);
}

void l1_tile_f16_avx512(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    tile<L1, F16>(queries, stride_bytes, row, dim, sims);
}

}  // namespace edgeshard
