// Similarity between two vectors, as a function chosen at run time.
//
// A similarity is larger for closer vectors, always:
//   cosine     f32, f16: the dot product (stored vectors and queries are normalised beforehand);
//              u8: dot / (|a| |b|) over the bytes, 0 if a norm is 0
//   dot        sum of a*b
//   euclid     - sum of (a-b)^2
//   manhattan  - sum of |a-b|
//
// f32 and f16 accumulate in f32, in an order that depends on the instruction set: two sets agree to about
// dim * 2^-24 relative to the sum of the terms' magnitudes. u8 accumulates exactly in integers; dimensions above
// kMaxDim would overflow and must be refused by the caller.
//
// Vectors need the alignment of their element type only; every dimension from 0 on is allowed.
#pragma once
#include <cstddef>
#include <cstdint>

#include "support/cpu.hpp"

namespace edgeshard {

// Numbers as in the Python layer (int(Distance.X)).
enum class Distance : int { cosine = 0, euclid = 1, dot = 2, manhattan = 3 };

enum class ElementType : int { f32 = 0, f16 = 1, u8 = 2 };

// 255 * 255 * dim must fit 32 bits; Qdrant's own limit for dense vectors is the same.
inline constexpr size_t kMaxDim = 65536;

constexpr size_t element_size(ElementType type) {
    return type == ElementType::f32 ? 4 : type == ElementType::f16 ? 2 : 1;
}

// The similarity of two vectors of `dim` elements.
using DistanceFn = float (*)(const void* a, const void* b, size_t dim);

// The similarities of kTile queries, `stride_bytes` apart, with one row that is loaded once. Bit for bit what
// DistanceFn gives for each pair.
inline constexpr size_t kTile = 4;
using TileFn = void (*)(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims);

struct DistanceKernels {
    DistanceFn pair = nullptr;
    TileFn tile = nullptr;
    size_t least_in_tile = 2;  // queries from which on a tile costs less than comparing them one by one
};

// The kernels of one instruction set; `isa` must be available (isa_available).
DistanceKernels distance_kernels(Distance distance, ElementType type, Isa isa = best_isa());

inline DistanceFn distance_fn(Distance distance, ElementType type, Isa isa = best_isa()) {
    return distance_kernels(distance, type, isa).pair;
}

}  // namespace edgeshard
