// Similarity `l1` = - sum of |a-b|: two vectors of `dim` elements of one type (f32, f16 or u8) -> f32.
//
// f32 and f16 accumulate in f32 (f16 is widened first).
// u8: exact up to 2^24 elements and more.
// `tile` compares kTile queries, `stride_bytes` apart, with one row (see kernels/distance.hpp).
#pragma once
#include <cstddef>

namespace edgeshard {

float l1_f32_scalar(const void* a, const void* b, size_t dim);
float l1_f16_scalar(const void* a, const void* b, size_t dim);
float l1_u8_scalar(const void* a, const void* b, size_t dim);

float l1_f32_avx2(const void* a, const void* b, size_t dim);
float l1_f16_avx2(const void* a, const void* b, size_t dim);
float l1_u8_avx2(const void* a, const void* b, size_t dim);
void l1_tile_f32_avx2(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);
void l1_tile_f16_avx2(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);

float l1_f32_avx512(const void* a, const void* b, size_t dim);
float l1_f16_avx512(const void* a, const void* b, size_t dim);
float l1_u8_avx512(const void* a, const void* b, size_t dim);
void l1_tile_f32_avx512(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);
void l1_tile_f16_avx512(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);

float l1_f32_neon(const void* a, const void* b, size_t dim);
float l1_f16_neon(const void* a, const void* b, size_t dim);
float l1_u8_neon(const void* a, const void* b, size_t dim);
void l1_tile_f32_neon(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);
void l1_tile_f16_neon(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);

float l1_u8_dotprod(const void* a, const void* b, size_t dim);

}  // namespace edgeshard
