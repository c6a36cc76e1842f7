// The best points of an index for a query, and the scores of given points.
//
// Points are visited in windows of ascending ids. Inside a window a list is either added up for all of its postings
// (term at a time, into a small array), or, if together with other such lists it cannot lift a point above the k-th
// best score, looked up only for points that the rest brought close enough: the MaxScore rule of Turtle & Flood 1995,
// with bounds per block of postings (Ding & Suel 2011) and windows as in Lucene. Bounds are products of the query weight
// with the largest or smallest weight of a block, never below 0 (a point need not be in a list), so that negative
// weights on either side are fine.
//
// A score is always the sum in order of ascending dimensions, in f32: the bits do not depend on what was pruned.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/sparse/postings.hpp"
#include "kernels/topk.hpp"

namespace edgeshard::sparse {

struct Term {
    List list;
    float weight;
};

// The lists of a query, dimensions ascending; equal dimensions are added up, those without postings left out.
Damage find_terms(Index& index, const uint32_t* dimensions, const float* weights, size_t n, std::vector<Term>& terms);

struct SearchStats {
    size_t summed = 0;     // postings added up window by window
    size_t looked_up = 0;  // points completed by looking them up
    size_t skipped = 0;    // windows that could not hold a better point
};

// The best k of the points below `points` that `mask` marks and that have a term, best first. Sums of exactly 0 are left
// out unless `zeros` (as Qdrant does, but for a last list that goes on behind the first 10,000 points: the place of a point
// must not matter).
std::vector<Hit> search(const std::vector<Term>& terms, const uint8_t* mask, size_t points, size_t k, bool zeros,
                        SearchStats* stats = nullptr);

// Score and number of terms of each of `n` ascending points.
void score(const std::vector<Term>& terms, const uint32_t* ids, size_t n, float* sims, uint32_t* hits);

// How many postings of a list `mask` marks.
size_t count_marked(const List& list, const uint8_t* mask, size_t points);

}  // namespace edgeshard::sparse
