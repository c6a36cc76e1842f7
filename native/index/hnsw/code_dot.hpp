// Dot products of one query with listed rows of byte codes (kernels/codes8): what a graph walk spends its time on.
//
// out[i] = sum over j of (codes[ids[i]][j] - 128) * query[j], exact in 32 bits as dot_u8i8 is. Rows and query are padded
// to `stride` bytes, a multiple of 32. The caller prefetches the rows: asking for all of a list as it is read is faster
// (by 10 % of a search) than asking a few ahead in here.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/codes8/codes8.hpp"

namespace edgeshard {

struct DotQuery {
    const int8_t* values;  // (stride)
    int32_t sum;           // of all values
};

using ListedDotsFn = void (*)(const uint8_t* codes, size_t stride, DotQuery query, const uint32_t* ids, size_t n,
                              int32_t* out);

void listed_dots_scalar(const uint8_t*, size_t, DotQuery, const uint32_t*, size_t, int32_t*);
void listed_dots_neon(const uint8_t*, size_t, DotQuery, const uint32_t*, size_t, int32_t*);
void listed_dots_dotprod(const uint8_t*, size_t, DotQuery, const uint32_t*, size_t, int32_t*);
void listed_dots_avx2(const uint8_t*, size_t, DotQuery, const uint32_t*, size_t, int32_t*);
void listed_dots_avx512(const uint8_t*, size_t, DotQuery, const uint32_t*, size_t, int32_t*);

// A row as a query: values[j] = row[j] - 128 for `stride` bytes; returns their sum.
using RowQueryFn = int32_t (*)(const uint8_t* row, size_t stride, int8_t* values);

int32_t row_query_scalar(const uint8_t*, size_t, int8_t*);
int32_t row_query_neon(const uint8_t*, size_t, int8_t*);
int32_t row_query_avx2(const uint8_t*, size_t, int8_t*);
int32_t row_query_avx512(const uint8_t*, size_t, int8_t*);

RowQueryFn row_query_fn(Isa isa = best_isa());

// The kernel of an instruction set, which must be available.
ListedDotsFn listed_dots_fn(Isa isa = best_isa());

}  // namespace edgeshard
