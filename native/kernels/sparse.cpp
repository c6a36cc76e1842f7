#include "kernels/sparse.hpp"

#include <algorithm>
#include <bit>

#include "support/thread_pool.hpp"

namespace edgeshard {

SparseQuery::SparseQuery(const uint32_t* indices, const float* values, size_t n) {
    const size_t capacity = std::bit_ceil(std::max<size_t>(2 * n, 4));
    slots_.assign(capacity, Slot{0, false, 0});
    shift_ = 32 - std::min(32, std::countr_zero(capacity));
    if (n) {
        first_ = *std::min_element(indices, indices + n);
        last_ = *std::max_element(indices, indices + n);
    }
    for (size_t i = 0; i < n; ++i) {
        size_t at = home(indices[i]);
        while (slots_[at].used && slots_[at].index != indices[i]) at = (at + 1) & (capacity - 1);
        slots_[at] = {indices[i], true, slots_[at].value + values[i]};
    }
}

SparseQuery::Score SparseQuery::score(const uint32_t* indices, const float* values, size_t n) const {
    const size_t wrap = slots_.size() - 1;
    Score out{0, 0};
    for (size_t i = std::lower_bound(indices, indices + n, first_) - indices; i < n && indices[i] <= last_; ++i) {
        size_t at = home(indices[i]);
        while (slots_[at].used && slots_[at].index != indices[i]) at = (at + 1) & wrap;
        if (!slots_[at].used) continue;
        out.sim += slots_[at].value * values[i];
        ++out.hits;
    }
    return out;
}

void sparse_scores(const SparseQuery& query, const SparseRows& rows, float* sims, uint32_t* hits, unsigned threads) {
    const uint64_t elements = rows.rows ? static_cast<uint64_t>(rows.indptr[rows.rows] - rows.indptr[0]) : 0;
    parallel_for(rows.rows, 1024, threads_for(2 * elements, threads), [&](size_t begin, size_t end) {
        for (size_t r = begin; r < end; ++r) {
            const int64_t from = rows.indptr[r];
            const auto score = query.score(rows.indices + from, rows.values + from,
                                           static_cast<size_t>(rows.indptr[r + 1] - from));
            sims[r] = score.sim;
            hits[r] = score.hits;
        }
    });
}

}  // namespace edgeshard
