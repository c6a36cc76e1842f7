// Brute-force scoring of sparse vectors held as compressed rows (CSR).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgeshard {

// Row r has the elements indptr[r] .. indptr[r + 1] - 1; its indices ascend (repeated ones count each time).
struct SparseRows {
    const int64_t* indptr;  // (rows + 1)
    const uint32_t* indices;
    const float* values;
    size_t rows;
};

// A query ready for lookups: repeated indices are added up.
class SparseQuery {
public:
    SparseQuery(const uint32_t* indices, const float* values, size_t n);

    struct Score {
        float sim;      // sum over common indices of query * row, accumulated in f32 in row order
        uint32_t hits;  // row elements whose index the query has
    };
    Score score(const uint32_t* indices, const float* values, size_t n) const;

private:
    struct Slot {
        uint32_t index;
        bool used;
        float value;
    };
    size_t home(uint32_t index) const { return (index * 0x9e3779b1u) >> shift_; }

    std::vector<Slot> slots_;  // open addressing, at most half full
    unsigned shift_;
    uint32_t first_ = 1, last_ = 0;  // range of the query's indices; empty query: nothing is inside
};

// Scores every row; multi-threaded when worthwhile (threads 0 = as many as the work deserves).
void sparse_scores(const SparseQuery& query, const SparseRows& rows, float* sims, uint32_t* hits, unsigned threads);

}  // namespace edgeshard
