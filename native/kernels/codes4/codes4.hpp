// Byte codes (codes8.hpp) once more in half a byte per element, with bounds of the same form.
//
// x^ = scale * v of the byte code becomes x' = scale' * (2 u - 15) with u in [0, 15]. By the triangle inequality
// |x - x'| <= |x - x^| + |x^ - x'|, so error' is the sum of both and everything said in codes8.hpp holds for x' as it
// does for x^. Half the bytes leave about one row in a hundred to be looked at again: exact search reads these first.
//
// Byte j of a row holds element j in its low half and element j + width in its high one. The three numbers stand behind
// the codes: where few rows of many are read, each of them is one place in memory instead of four.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/codes8/codes8.hpp"

namespace edgeshard {

// Bytes of codes in a row.
constexpr size_t nibble_width(size_t dim) { return ((dim + 1) / 2 + kCodePadding - 1) / kCodePadding * kCodePadding; }

// Bytes between two rows: codes, scale, error, norm, and four unused ones.
constexpr size_t nibble_stride(size_t dim) { return nibble_width(dim) + 16; }

// Bytes a query's codes need behind them (zeros) for both halves of a row: a multiple of the padding.
constexpr size_t nibble_query_size(size_t dim) { return 2 * nibble_width(dim); }

// The bounds of codes8.hpp for rows of this form.
CodeBoundsFn nibble_bounds(Isa isa = best_isa());

// Encodes one row of byte codes, whose scale and error are given, into nibble_stride(dim) bytes.
void encode_nibbles(const uint8_t* codes, size_t dim, float scale, float error, uint8_t* nibbles);

#define EDGESHARD_DECLARE_CODES4(isa)                                                                               \
    void bounds_codes4_##isa(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed,    \
                             size_t n, float* lower, float* upper);
EDGESHARD_DECLARE_CODES4(scalar)
EDGESHARD_DECLARE_CODES4(avx2)
EDGESHARD_DECLARE_CODES4(avx512)
EDGESHARD_DECLARE_CODES4(neon)
EDGESHARD_DECLARE_CODES4(dotprod)
#undef EDGESHARD_DECLARE_CODES4

}  // namespace edgeshard
