// Kernels over compressed vectors: one query against rows given by pointer.
//
// Every function takes n rows and writes n results; a row needs no alignment. The integer kernels are exact and give
// the same numbers on every instruction set. Contents of rows may be anything: no kernel reads past `bytes` of a row.
#pragma once
#include <cstddef>
#include <cstdint>

#include "support/cpu.hpp"

namespace edgeshard::quantized {

using RowPointers = const uint8_t* const*;

// Whole numbers of a query arranged for codes of 1, 2, 4 or 8 bits packed from the least significant bit on. A byte
// holds 8 / bits codes; plane p of the query has the numbers that meet code p of every byte, so that unpacking needs no
// shuffling between bytes. Numbers lie within [-8191, 8191].
struct PlaneQuery {
    unsigned bits;
    size_t bytes;          // code bytes of a row
    size_t plane;          // entries of a plane: bytes rounded up to kPlanePadding, zeros at the end
    const uint8_t* levels;  // 16 bytes: what a code stands for; not used for 8 bits
    const int16_t* whole;   // (8 / bits) planes
    const int8_t* high;     // whole = 128 * high + low
    const int8_t* low;
};
inline constexpr size_t kPlanePadding = 64;
inline constexpr int kPlaneLimit = 8191;

// sum of levels[code] * whole, over all codes of a row.
using PlaneDotsFn = void (*)(const PlaneQuery& query, RowPointers rows, size_t n, int64_t* sums);

// sum of row[i] * query[i]; row bytes up to 127, query within [0, 127].
using ByteDotsFn = void (*)(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums);

// sum of |row[i] - query[i]|.
using ByteDistancesFn = ByteDotsFn;

// sum over planes p of 2^p * (number of bits in which the row and plane p differ). A plane is `bytes` bytes long.
using BitDistancesFn = void (*)(const uint8_t* planes, unsigned count, RowPointers rows, size_t n, size_t bytes,
                                int64_t* sums);

// sum of query[i] * (little-endian i16 number i of the row).
using WordDotsFn = void (*)(const float* query, RowPointers rows, size_t n, size_t dim, float* sums);

// sum of table[256 * i + row[i]].
using TableSumsFn = void (*)(const float* table, RowPointers rows, size_t n, size_t bytes, float* sums);

// Number of the centroid nearest to x (Euclidean; the lowest of equal ones). Centroids are stored by dimension:
// component d of centroid j at centroids[256 * d + j].
using NearestFn = uint8_t (*)(const float* x, const float* centroids, size_t dim);

struct Kernels {
    PlaneDotsFn plane_dots;
    ByteDotsFn byte_dots;
    ByteDistancesFn byte_distances;
    BitDistancesFn bit_distances;
    WordDotsFn word_dots;
    TableSumsFn table_sums;
    NearestFn nearest;
};

// The kernels of one instruction set; `isa` must be available.
Kernels kernels(Isa isa = best_isa());

Kernels kernels_scalar();
Kernels kernels_avx2();
Kernels kernels_avx512();
Kernels kernels_neon();
Kernels kernels_dotprod();

}  // namespace edgeshard::quantized
