#include "kernels/mmr.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "support/interrupt.hpp"

namespace edgeshard {
namespace {

Rows rows_at(const float* data, const Candidates& candidates) {
    Rows rows(ElementType::f32, candidates.dim);
    rows.add({reinterpret_cast<const char*>(data), candidates.rows});
    return rows;
}

// What a comparison of several multi-vectors with one may take: 1 MiB of similarities.
constexpr size_t kMaxSims = 1 << 18;

// MaxSim of multi-vectors whose rows are one behind the other, as queries, and one of `others` rows. sims[other * n + i] is
// the similarity of row i of all n and a row of the other.
void add_up(const float* sims, size_t n, size_t others, const Points& points, const uint32_t* ids, size_t count,
            float* out) {
    for (size_t i = 0; i < count; ++i) {
        float sum = 0;
        for (const float* end = sims + points.count[ids[i]]; sims < end; ++sims) {
            float best = std::numeric_limits<float>::quiet_NaN();
            for (size_t other = 0; other < others; ++other) {
                const float sim = sims[other * n];
                best = sim > best || best != best ? sim : best;
            }
            sum += best;
        }
        out[i] = sum;
    }
}

// out[i] = MaxSim of candidate left[i], as the query, and candidate `place`: the rows of many are compared with all rows of
// the one at once, which gives the same numbers as one comparison each.
void maxsims(const Candidates& candidates, const Rows& queries, const Rows& stored, uint32_t place,
             const std::vector<uint32_t>& left, float* out, const ScanOptions& options) {
    const Points& points = *candidates.points;
    const size_t others = points.count[place];
    const auto alone = [&](size_t i) { return !others || points.count[left[i]] > kMaxSims / others; };
    std::vector<uint32_t> rows;
    std::vector<float> sims;
    for (size_t i = 0; i < left.size();) {
        const size_t first = i;
        rows.clear();
        for (; i < left.size() && !alone(i) && rows.size() + points.count[left[i]] <= kMaxSims / others; ++i)
            for (uint32_t row = 0; row < points.count[left[i]]; ++row) rows.push_back(points.first[left[i]] + row);
        if (i == first) {
            const Queries one{candidates.queries + points.first[left[i]] * candidates.dim, points.count[left[i]]};
            maxsim_offsets(stored, points, one, &place, 1, out + i++, options);
            continue;
        }
        sims.resize(others * rows.size());
        score_offsets(queries, {stored.row(points.first[place]), others}, rows.data(), rows.size(), sims.data(), options);
        add_up(sims.data(), rows.size(), others, points, left.data() + first, i - first, out + first);
    }
}

// out[i] = similarity of candidate left[i], as the query, to candidate `place`.
void similarities(const Candidates& candidates, const Rows& queries, const Rows& stored, uint32_t place,
                  const std::vector<uint32_t>& left, float* out, const ScanOptions& options) {
    if (candidates.points) return maxsims(candidates, queries, stored, place, left, out, options);
    score_offsets(queries, {stored.row(place), 1}, left.data(), left.size(), out, options);  // the same either way round
}

std::vector<float> relevances(Queries query, const Candidates& candidates, const Rows& stored,
                              const std::vector<uint32_t>& all, const ScanOptions& options) {
    std::vector<float> found(candidates.n);
    if (candidates.points)
        maxsim_offsets(stored, *candidates.points, query, all.data(), all.size(), found.data(), options);
    else
        score_offsets(stored, query, all.data(), all.size(), found.data(), options);
    return found;
}

// The last of the largest numbers; NaN is larger than any.
size_t last_largest(const std::vector<float>& scores) {
    size_t at = 0;
    for (size_t i = 1; i < scores.size(); ++i)
        if (scores[i] != scores[i] || scores[i] >= scores[at]) at = i;
    return at;
}

inline float larger(float a, float b) { return a > b || a != a ? a : b; }  // NaN if one of them is

}  // namespace

std::vector<uint32_t> most_diverse(Queries query, const Candidates& candidates, float balance, size_t limit,
                                   const ScanOptions& options) {
    const Rows queries = rows_at(candidates.queries, candidates), stored = rows_at(candidates.stored, candidates);
    std::vector<uint32_t> left(candidates.n), chosen;
    std::iota(left.begin(), left.end(), 0u);
    const std::vector<float> relevance = relevances(query, candidates, stored, left, options);
    std::vector<float> scores = relevance, sims(candidates.n);
    std::vector<float> closest(candidates.n, -std::numeric_limits<float>::infinity());
    while (!left.empty() && chosen.size() < limit) {
        const size_t at = last_largest(scores);
        const uint32_t place = left[at];
        chosen.push_back(place);
        left[at] = left.back();
        left.pop_back();
        if (left.empty() || chosen.size() == limit) break;
        check_interrupt();
        similarities(candidates, queries, stored, place, left, sims.data(), options);
        scores.resize(left.size());
        for (size_t i = 0; i < left.size(); ++i) {
            float& nearest = closest[left[i]];
            nearest = larger(nearest, sims[i]);
            scores[i] = balance * relevance[left[i]] - (1 - balance) * nearest;
        }
    }
    return chosen;
}

}  // namespace edgeshard
