// User vectors (f32) to stored elements and back, byte for byte as Qdrant Edge does it.
//
// Cosine: a row is divided by its length, computed in f32, unless the squared length is below f32 epsilon or within
// 1e-6 of one. The bytes depend on the order of that sum, and Qdrant's order depends on the processor and on dim:
//   lanes of one accumulator x accumulators; lane i of accumulator a sums elements ≡ (a * lanes + i) mod (4 * lanes)
//   x86 with AVX and FMA, dim >= 32: 8 x 4, fused multiply-add; the accumulators are added before their lanes, and
//                                    rows are multiplied by the reciprocal of the length
//   x86 otherwise,        dim >= 16: 4 x 4, multiply then add
//   Arm,                  dim >= 16: 4 x 4, fused multiply-add
//   else one sum. Elements past the last full block are added one by one at the end.
// float16: round to nearest even, overflow gives infinity. uint8: truncate toward zero, clamp, NaN gives 0.
#pragma once
#include <cstddef>
#include <cstdint>

namespace edgeshard {

enum class Element { float32, float16, uint8 };

// Writes `count` rows of `dim` elements; `out` may be `in` for float32. `normalise` is ignored for uint8.
void to_stored(const float *in, size_t count, size_t dim, bool normalise, Element type, void *out);
void from_stored(const void *in, size_t elements, Element type, float *out);

// One set of kernels; convert_avx2.cpp has the same for AVX2 + FMA + F16C.
namespace avx2 {
float squared_length(const float *row, size_t blocks);  // of 32 * blocks elements, in the order above
void scale(const float *in, size_t dim, float by, float *out);
void to_half(const float *in, size_t count, uint16_t *out);
void from_half(const uint16_t *in, size_t count, float *out);
void to_byte(const float *in, size_t count, uint8_t *out);
}  // namespace avx2

}  // namespace edgeshard
