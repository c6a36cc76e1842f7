// Dot products of one int8 query with listed rows of int8 codes: what a graph walk spends its time on.
//
// A row holds u8 = value + 128 with value in -127..127, padded with 128 to `stride` bytes, a multiple of 64, so that
// there are no tails. The query is int8 in -127..127, padded with 0 to the same length. Sums are exact in 32 bits for
// every stride up to 65536 (127 * 255 * 65536 < 2^31).
//
// VNNI multiplies u8 with i8: it computes sum((value + 128) * q), from which 128 * sum(q) is taken off.
#pragma once
#include <cstddef>
#include <cstdint>

#include "support/cpu.hpp"

namespace edgeshard {

inline constexpr size_t kCodeAlign = 64;

struct CodeQuery {
    const int8_t* values;  // (stride)
    int32_t sum;           // of all values
};

// out[i] = sum over j of value(ids[i], j) * query[j]. Rows are prefetched a few ahead.
using CodeDotFn = void (*)(const uint8_t* codes, size_t stride, CodeQuery query, const uint32_t* ids, size_t n,
                           int32_t* out);

void code_dot_scalar(const uint8_t*, size_t, CodeQuery, const uint32_t*, size_t, int32_t*);
void code_dot_neon(const uint8_t*, size_t, CodeQuery, const uint32_t*, size_t, int32_t*);
void code_dot_avx2(const uint8_t*, size_t, CodeQuery, const uint32_t*, size_t, int32_t*);
void code_dot_avx512(const uint8_t*, size_t, CodeQuery, const uint32_t*, size_t, int32_t*);

// The kernel of an instruction set, which must be available.
CodeDotFn code_dot_fn(Isa isa = best_isa());

}  // namespace edgeshard
