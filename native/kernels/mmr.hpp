// Maximal marginal relevance (Carbonell and Goldstein, 1998): relevant candidates that differ from one another.
//
// Similarities are those of kernels/scan.hpp. Only those to candidates that were picked are computed, and only for the
// ones that are left: a few times the candidates, not their square.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/scan.hpp"

namespace edgeshard {

// `n` vectors of f32, which may have a form for the role of queries that differs from the stored one (normalised), the
// rows of both being in the same places. `points` says which rows are whose; null: one row each.
struct Candidates {
    const float* queries;
    const float* stored;
    size_t dim, rows, n;
    const Points* points;
};

// Places of up to `limit` candidates in the order they are picked: each the one with the largest
// balance * relevance - (1 - balance) * similarity to the closest one picked before, where relevance is the similarity of
// `query` to it; the first by relevance alone. Of candidates that are equally good the last is picked, and the last of all
// takes the place of the one picked, as in Qdrant. NaN counts as larger than any number.
std::vector<uint32_t> most_diverse(Queries query, const Candidates& candidates, float balance, size_t limit,
                                   const ScanOptions& options);

}  // namespace edgeshard
