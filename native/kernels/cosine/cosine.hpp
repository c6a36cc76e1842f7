// Cosine similarity of bytes: dot / (|a| |b|), 0 if a norm is 0. Three exact 32-bit sums (up to kMaxDim elements), one
// division in f64, so that every instruction set gives the same f32.
// (Cosine over f32 and f16 is the dot product: those vectors are stored normalised.)
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace edgeshard {

static inline float cosine_from_sums(uint32_t ab, uint32_t aa, uint32_t bb) {
    if (aa == 0 || bb == 0) return 0.0f;
    return static_cast<float>(ab / std::sqrt(static_cast<double>(aa) * static_cast<double>(bb)));
}

float cosine_u8_scalar(const void* a, const void* b, size_t dim);
float cosine_u8_avx2(const void* a, const void* b, size_t dim);
float cosine_u8_avx512(const void* a, const void* b, size_t dim);
float cosine_u8_neon(const void* a, const void* b, size_t dim);
float cosine_u8_dotprod(const void* a, const void* b, size_t dim);

}  // namespace edgeshard
