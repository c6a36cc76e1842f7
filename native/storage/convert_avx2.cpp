// Needs AVX2, FMA and F16C. Any length; the tail of a block is done by the scalar instructions.
#include <immintrin.h>

#include "kernels/half.hpp"
#include "storage/convert.hpp"

namespace edgeshard::avx2 {
namespace {

// (high half + low half), then neighbours, then the two pairs: the order Qdrant's kernel adds the lanes in.
float horizontal_sum(__m256 x) {
  const __m128 halves = _mm_add_ps(_mm256_extractf128_ps(x, 1), _mm256_castps256_ps128(x));
  const __m128 pairs = _mm_hadd_ps(halves, halves);
  return _mm_cvtss_f32(pairs) + _mm_cvtss_f32(_mm_movehdup_ps(pairs));
}

}  // namespace

float squared_length(const float *row, size_t blocks) {
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  for (size_t block = 0; block < blocks; ++block, row += 32)
    for (int i = 0; i < 4; ++i) {
      const __m256 x = _mm256_loadu_ps(row + 8 * i);
      sum[i] = _mm256_fmadd_ps(x, x, sum[i]);
    }
  return horizontal_sum(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

void scale(const float *in, size_t dim, float by, float *out) {
  const __m256 factor = _mm256_set1_ps(by);
  size_t i = 0;
  for (; i + 8 <= dim; i += 8) _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_loadu_ps(in + i), factor));
  for (; i < dim; ++i) out[i] = in[i] * by;
}

void to_half(const float *in, size_t count, uint16_t *out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128(reinterpret_cast<__m128i *>(out + i), half);
  }
  for (; i < count; ++i) out[i] = half_from_float(in[i]);
}

void from_half(const uint16_t *in, size_t count, float *out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i *>(in + i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(half));
  }
  for (; i < count; ++i) out[i] = half_to_float(in[i]);
}

void to_byte(const float *in, size_t count, uint8_t *out) {
  const __m256 zero = _mm256_setzero_ps(), top = _mm256_set1_ps(255.0f);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i part[4];
    for (int j = 0; j < 4; ++j) {  // max returns its second operand for NaN
      const __m256 x = _mm256_max_ps(_mm256_loadu_ps(in + i + 8 * j), zero);
      part[j] = _mm256_cvttps_epi32(_mm256_min_ps(x, top));
    }
    const __m256i low = _mm256_packs_epi32(part[0], part[1]), high = _mm256_packs_epi32(part[2], part[3]);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + i), bytes);
  }
  for (; i < count; ++i) out[i] = in[i] > 0 ? (in[i] >= 255 ? 255 : static_cast<uint8_t>(in[i])) : 0;
}

}  // namespace edgeshard::avx2
