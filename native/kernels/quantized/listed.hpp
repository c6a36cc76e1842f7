// One query against listed rows of codes at a fixed, aligned stride: what a graph walk over compressed vectors spends its
// time on.
//
// Rows and planes of the query are `stride` bytes long, a multiple of 64, with zeros behind the last code; the numbers of a
// row decide nothing but its sum. The caller prefetches the rows. Exact in 32 bits for strides up to kListedStride, and the
// same on every instruction set.
#pragma once
#include <cstddef>
#include <cstdint>

#include "support/cpu.hpp"

namespace edgeshard::quantized {

inline constexpr size_t kListedAlignment = 64;
inline constexpr size_t kListedStride = 32768;

// Codes of 1, 2, 4 or 8 bits packed from the least significant bit on: code p of a byte meets the same byte of plane p.
struct ListedQuery {
    unsigned bits;
    size_t stride;
    const uint8_t* levels;  // 16 bytes: what a code stands for; not used for 8 bits
    const int8_t* planes;   // (8 / bits) planes
};

// out[i] = sum of levels[code] * plane over all codes of row ids[i].
using ListedDotsFn = void (*)(const uint8_t* rows, const ListedQuery& query, const uint32_t* ids, size_t n, int32_t* out);

// out[i] = number of bits in which row ids[i] and `bits` differ.
using ListedBitsFn = void (*)(const uint8_t* rows, size_t stride, const uint8_t* bits, const uint32_t* ids, size_t n,
                              int32_t* out);

struct ListedKernels {
    ListedDotsFn dots;
    ListedBitsFn bits;
};

// The kernels of one instruction set; `isa` must be available.
ListedKernels listed_kernels(Isa isa = best_isa());

ListedKernels listed_kernels_scalar();
ListedKernels listed_kernels_avx2();
ListedKernels listed_kernels_avx512();
ListedKernels listed_kernels_neon();
ListedKernels listed_kernels_dotprod();

}  // namespace edgeshard::quantized
