#include "index/quantized/scan.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "support/thread_pool.hpp"

namespace edgeshard::quantized {
namespace {

constexpr size_t kGrain = 1024;  // rows a thread takes at a time

uint64_t estimate_ns(const Codec& codec, size_t comparisons) {
    return static_cast<uint64_t>(codec.estimated_ns() * static_cast<double>(comparisons));
}

// Pointers to rows ids[0] .. ids[n - 1], or first .. first + n - 1 if `ids` is null.
void point_at(const Rows& rows, const uint32_t* ids, size_t first, size_t n, const uint8_t** out) {
    const auto row = [&](size_t offset) { return reinterpret_cast<const uint8_t*>(rows.row(offset)); };
    if (ids) {
        for (size_t i = 0; i < n; ++i) out[i] = row(ids[i]);
        return;
    }
    for (size_t i = 0; i < n;) {
        const uint8_t* next = row(first + i);
        for (const size_t end = i + std::min(n - i, rows.together(first + i)); i < end; next += rows.row_bytes())
            out[i++] = next;
    }
}

// Scores in blocks of pointers.
void score_block(CodeScorer& scorer, const Rows& rows, const uint32_t* ids, size_t first, size_t n, float* sims) {
    const uint8_t* pointers[kScoreBlock];
    for (size_t at = 0; at < n; at += kScoreBlock) {
        const size_t m = std::min(kScoreBlock, n - at);
        point_at(rows, ids ? ids + at : nullptr, first + at, m, pointers);
        scorer.score(pointers, m, sims + at);
    }
}

// The scorers of the threads of a scan, each made by its thread when it first has something to do: a query is prepared
// once for all the pieces of work a thread takes.
class Scorers {
public:
    Scorers(const Codec& codec, Isa isa, unsigned threads) : codec_(codec), isa_(isa), made_(threads) {}

    CodeScorer& of(unsigned worker, const float* query) {
        Made& made = made_[worker];
        if (!made.scorer) made.scorer = codec_.scorer(isa_);
        if (made.query != query) made.scorer->use_query(made.query = query);
        return *made.scorer;
    }

private:
    struct Made {
        std::unique_ptr<CodeScorer> scorer;
        const float* query = nullptr;
    };
    const Codec& codec_;
    Isa isa_;
    std::vector<Made> made_;
};

}  // namespace

void score_rows(const Codec& codec, const Rows& rows, const float* queries, size_t count, const Chosen& chosen,
                float* sims, unsigned threads, Isa isa) {
    const ScanTurn turn(estimate_ns(codec, chosen.n), threads);
    Scorers scorers(codec, isa, turn.threads());
    for (size_t q = 0; q < count; ++q) {
        turn.parallel_for(chosen.n, kGrain, [&](size_t begin, size_t end, unsigned worker) {
            const uint32_t* ids = chosen.listed ? chosen.listed + begin : nullptr;
            score_block(scorers.of(worker, queries + q * codec.dim()), rows, ids, begin, end - begin,
                        sims + q * chosen.n + begin);
        });
    }
}

std::vector<std::vector<Hit>> top_rows(const Codec& codec, const Rows& rows, const float* queries, size_t count,
                                       const Chosen& chosen, size_t k, unsigned threads, Isa isa) {
    const ScanTurn turn(estimate_ns(codec, chosen.n), threads);
    const size_t grain = std::max(kGrain, (chosen.n + turn.threads() - 1) / turn.threads() / 4);
    Scorers scorers(codec, isa, turn.threads());
    std::vector<std::vector<Hit>> found(count);
    for (size_t q = 0; q < count; ++q) {
        std::vector<TopK> best(turn.threads(), TopK(k));
        turn.parallel_for(chosen.n, grain, [&](size_t begin, size_t end, unsigned worker) {
            CodeScorer& scorer = scorers.of(worker, queries + q * codec.dim());
            TopK& top = best[worker];
            uint32_t ids[kGrain + 1];
            float sims[kGrain];
            for (size_t at = begin; at < end; at += kGrain) {
                size_t m = std::min(kGrain, end - at);
                const uint32_t* from = chosen.listed ? chosen.listed + at : nullptr;
                if (chosen.mask) {
                    m = choose_masked(chosen.mask + at, m, static_cast<uint32_t>(at), ids);
                    from = ids;
                }
                score_block(scorer, rows, from, at, m, sims);
                for (size_t i = 0; i < m; ++i)
                    if (sims[i] >= top.floor()) top.offer(sims[i], from ? from[i] : static_cast<uint32_t>(at + i));
            }
        });
        for (size_t i = 1; i < best.size(); ++i) best[0].offer_all(best[i]);
        found[q] = best[0].sorted();
    }
    return found;
}

void score_points(const Codec& codec, const Rows& rows, const PointRows& table, const float* query, size_t query_rows,
                  const Chosen& chosen, float* sims, unsigned threads, Isa isa) {
    const auto rows_of = [&](size_t i) { return table.count[chosen.listed ? chosen.listed[i] : i]; };
    size_t total = 0;
    for (size_t i = 0; i < chosen.n; ++i) total += rows_of(i);
    const double each = chosen.n ? static_cast<double>(total) / static_cast<double>(chosen.n) : 1;
    const size_t grain = std::max<size_t>(1, static_cast<size_t>(kGrain / std::max(each, 1.0)));
    const ScanTurn turn(estimate_ns(codec, total * query_rows), threads);
    turn.parallel_for(chosen.n, grain, [&](size_t begin, size_t end) {
        const auto scorer = codec.scorer(isa);
        std::vector<float> inner;
        for (size_t i = begin; i < end; ++i) sims[i] = rows_of(i) ? 0.0f : std::numeric_limits<float>::quiet_NaN();
        for (size_t q = 0; q < query_rows; ++q) {
            scorer->use_query(query + q * codec.dim());
            for (size_t i = begin; i < end; ++i) {
                const size_t point = chosen.listed ? chosen.listed[i] : i, n = table.count[point];
                if (!n) continue;
                inner.resize(n);
                score_block(*scorer, rows, nullptr, table.first[point], n, inner.data());
                sims[i] += *std::max_element(inner.begin(), inner.end());
            }
        }
    });
}

}  // namespace edgeshard::quantized
