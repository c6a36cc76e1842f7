// Comparing queries with many rows: all of them, the masked ones, or a list.
//
// Every function gives the same floats as one DistanceFn call per pair, whatever the number of threads and queries.
// Queries are row-major with the element type and dimension of the rows. Offsets must be checked by the caller.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/distance.hpp"
#include "kernels/rows.hpp"
#include "kernels/topk.hpp"

namespace edgeshard {

struct Queries {
    const void* data;
    size_t count;
};

struct ScanOptions {
    Distance distance;
    Isa isa = best_isa();
    unsigned threads = 0;  // at most this many, 0 = as many as the work deserves
};

// The k best rows for every query, best first. `mask`, if not null, has one byte per row; rows with 0 are left out.
// One pass over the rows: each block is compared with all queries while it is in the cache.
std::vector<std::vector<Hit>> scan_topk(const Rows& rows, Queries queries, const uint8_t* mask, size_t k,
                                        const ScanOptions& options);

// sims[q * rows.count() + offset] for every query and row.
void scan_all(const Rows& rows, Queries queries, float* sims, const ScanOptions& options);

// sims[q * n + i] for every query and offsets[i].
void score_offsets(const Rows& rows, Queries queries, const uint32_t* offsets, size_t n, float* sims,
                   const ScanOptions& options);

// Multi-vectors: point p owns the rows first[p] .. first[p] + count[p] - 1; its similarity to a query of several rows is
// MaxSim, the sum over the query's rows of the best similarity with any of its rows (NaN similarities are ignored).
// A point without rows has similarity NaN and is in no top k.
struct Points {
    const uint32_t* first;
    const uint32_t* count;
    size_t n;
};

std::vector<Hit> maxsim_topk(const Rows& rows, const Points& points, Queries query, const uint8_t* mask, size_t k,
                             const ScanOptions& options);

void maxsim_offsets(const Rows& rows, const Points& points, Queries query, const uint32_t* offsets, size_t n,
                    float* sims, const ScanOptions& options);

}  // namespace edgeshard
