// Similarity `l2` = - sum of (a-b)^2: two vectors of `dim` elements of one type (f32, f16 or u8) -> f32.
//
// f32 and f16 accumulate in f32 (f16 is widened first).
// u8: exact in unsigned 32 bits up to kMaxDim = 65536 elements (255 * 255 * 65536 < 2^32).
// `tile` compares kTile queries, `stride_bytes` apart, with one row (see kernels/distance.hpp).
#pragma once
#include <cstddef>

namespace edgeshard {

float l2_f32_scalar(const void* a, const void* b, size_t dim);
float l2_f16_scalar(const void* a, const void* b, size_t dim);
float l2_u8_scalar(const void* a, const void* b, size_t dim);

float l2_f32_avx2(const void* a, const void* b, size_t dim);
float l2_f16_avx2(const void* a, const void* b, size_t dim);
float l2_u8_avx2(const void* a, const void* b, size_t dim);
void l2_tile_f32_avx2(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);
void l2_tile_f16_avx2(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);

float l2_f32_avx512(const void* a, const void* b, size_t dim);
float l2_f16_avx512(const void* a, const void* b, size_t dim);
float l2_u8_avx512(const void* a, const void* b, size_t dim);
void l2_tile_f32_avx512(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);
void l2_tile_f16_avx512(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);

float l2_f32_neon(const void* a, const void* b, size_t dim);
float l2_f16_neon(const void* a, const void* b, size_t dim);
float l2_u8_neon(const void* a, const void* b, size_t dim);
void l2_tile_f32_neon(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);
void l2_tile_f16_neon(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);

float l2_u8_dotprod(const void* a, const void* b, size_t dim);

}  // namespace edgeshard
