#include "storage/convert.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/half.hpp"
#include "support/cpu.hpp"

namespace edgeshard {
namespace {

#if defined(__x86_64__) || defined(_M_X64)
#define EDGESHARD_X86 1
#else
#define EDGESHARD_X86 0
#endif

bool use_avx2() { return EDGESHARD_X86 && best_isa() >= Isa::avx2; }

// Sums of 16 lanes in the order of the other engine's 128-bit kernels, so that the bits are the same. On Arm products and
// sums are fused and the four registers added first; on x86 (before AVX) they are not, and each register is summed.
#if EDGESHARD_X86
float squared_length_16(const float *row, size_t blocks) {
  float lane[16] = {};
  for (size_t block = 0; block < blocks; ++block)
    for (size_t i = 0; i < 16; ++i) {
      const float x = row[16 * block + i];
      lane[i] += x * x;
    }
  float total = 0;
  for (size_t a = 0; a < 4; ++a) {
    const float *l = lane + 4 * a;
    const float sum = (l[0] + l[2]) + (l[1] + l[3]);
    total = a == 0 ? sum : total + sum;
  }
  return total;
}
#else
float squared_length_16(const float *row, size_t blocks) {
  float lane[16] = {}, sum[4];
  for (size_t block = 0; block < blocks; ++block)
    for (size_t i = 0; i < 16; ++i) {
      const float x = row[16 * block + i];
      lane[i] = std::fma(x, x, lane[i]);
    }
  for (size_t i = 0; i < 4; ++i) sum[i] = (lane[i] + lane[4 + i]) + (lane[8 + i] + lane[12 + i]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}
#endif

float squared_length(const float *row, size_t dim) {
  float total = 0;
  size_t done = 0;
#if EDGESHARD_X86
  if (dim >= 32 && use_avx2()) {
    done = dim / 32 * 32;
    total = avx2::squared_length(row, dim / 32);
  } else
#endif
  if (dim >= 16) {
    done = dim / 16 * 16;
    total = squared_length_16(row, dim / 16);
  }
  for (; done < dim; ++done) {
    const float square = row[done] * row[done];
    total += square;
  }
  return total;
}

bool kept_unchanged(float squared) {
  return squared < std::numeric_limits<float>::epsilon() || std::fabs(squared - 1.0f) <= 1.0e-6f;
}

uint8_t byte_from_float(float value) {
  if (!(value > 0)) return 0;  // negatives and NaN
  return value >= 255 ? 255 : static_cast<uint8_t>(value);
}

// The other engine's kernels multiply by the reciprocal, but for the 128-bit one of x86; short vectors it divides.
void divide(const float *in, size_t dim, float length, float *out) {
#if EDGESHARD_X86
  if (dim >= 32 && use_avx2()) return avx2::scale(in, dim, 1.0f / length, out);
#else
  if (dim >= 16) {
    const float reciprocal = 1.0f / length;
    for (size_t i = 0; i < dim; ++i) out[i] = in[i] * reciprocal;
    return;
  }
#endif
  for (size_t i = 0; i < dim; ++i) out[i] = in[i] / length;
}

void narrow(const float *in, size_t count, Element type, void *out) {
  if (type == Element::float32) {
    if (out != in) std::memcpy(out, in, count * sizeof(float));
    return;
  }
#if EDGESHARD_X86
  if (use_avx2()) {
    if (type == Element::float16) return avx2::to_half(in, count, static_cast<uint16_t *>(out));
    return avx2::to_byte(in, count, static_cast<uint8_t *>(out));
  }
#endif
  if (type == Element::float16) {
    auto *half = static_cast<uint16_t *>(out);
    for (size_t i = 0; i < count; ++i) half[i] = half_from_float(in[i]);
  } else {
    auto *byte = static_cast<uint8_t *>(out);
    for (size_t i = 0; i < count; ++i) byte[i] = byte_from_float(in[i]);
  }
}

}  // namespace

void to_stored(const float *in, size_t count, size_t dim, bool normalise, Element type, void *out) {
  if (!normalise || type == Element::uint8) return narrow(in, count * dim, type, out);
  const size_t width = type == Element::float16 ? 2 : 4;
  std::vector<float> scratch(type == Element::float32 ? 0 : dim);
  for (size_t row = 0; row < count; ++row, in += dim) {
    auto *target = static_cast<uint8_t *>(out) + row * dim * width;
    const float squared = squared_length(in, dim);
    if (kept_unchanged(squared)) {
      narrow(in, dim, type, target);
    } else if (type == Element::float32) {
      divide(in, dim, std::sqrt(squared), reinterpret_cast<float *>(target));
    } else {
      divide(in, dim, std::sqrt(squared), scratch.data());
      narrow(scratch.data(), dim, type, target);
    }
  }
}

void from_stored(const void *in, size_t elements, Element type, float *out) {
  if (type == Element::float32) {
    std::memcpy(out, in, elements * sizeof(float));
  } else if (type == Element::uint8) {
    std::copy_n(static_cast<const uint8_t *>(in), elements, out);
  } else {
    const auto *half = static_cast<const uint16_t *>(in);
#if EDGESHARD_X86
    if (use_avx2()) return avx2::from_half(half, elements, out);
#endif
    for (size_t i = 0; i < elements; ++i) out[i] = half_to_float(half[i]);
  }
}

}  // namespace edgeshard
