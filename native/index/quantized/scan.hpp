// Searching storages of records: all rows, masked rows or listed rows, one record per point or several (MaxSim).
#pragma once
#include <vector>

#include "index/quantized/codec.hpp"
#include "kernels/rows.hpp"
#include "kernels/topk.hpp"

namespace edgeshard::quantized {

// Which rows (or points) to look at: listed ones, those with mask[i] != 0, or all `n`.
struct Chosen {
    const uint32_t* listed = nullptr;
    const uint8_t* mask = nullptr;
    size_t n = 0;
};

// Row tables of multi-vectors: point p owns rows first[p] .. first[p] + count[p] - 1, all inside the storage.
struct PointRows {
    const uint32_t* first;
    const uint32_t* count;
};

// sims[q * n + i] = similarity of query q with row listed[i] (row i without a list). `queries` is count x dim floats.
void score_rows(const Codec& codec, const Rows& rows, const float* queries, size_t count, const Chosen& chosen,
                float* sims, unsigned threads = 0, Isa isa = best_isa());

// The k best rows for each query, best first, ties by offset.
std::vector<std::vector<Hit>> top_rows(const Codec& codec, const Rows& rows, const float* queries, size_t count,
                                       const Chosen& chosen, size_t k, unsigned threads = 0, Isa isa = best_isa());

// sims[i] = sum over the query's rows of the best similarity with a row of point listed[i]; NaN for points without rows.
void score_points(const Codec& codec, const Rows& rows, const PointRows& table, const float* query, size_t query_rows,
                  const Chosen& chosen, float* sims, unsigned threads = 0, Isa isa = best_isa());

}  // namespace edgeshard::quantized
