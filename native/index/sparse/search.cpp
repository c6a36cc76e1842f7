#include "index/sparse/search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "index/sparse/cursor.hpp"

namespace edgeshard::sparse {

namespace {

constexpr uint32_t kWindow = 4096;  // ids; their sums stay in the first level cache
constexpr size_t kGroup = 16;       // sums compared at a time
constexpr size_t kLookupCost = 24;  // postings that could be added up in the time one point is looked up in a list
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The most a list can add to a point with weights between these.
float gain(float weight, float least, float most) {
    const float best = weight >= 0 ? weight * most : weight * least;
    return best > 0 ? best : best == best ? 0.0f : kInfinity;
}

class Search {
public:
    Search(const std::vector<Term>& terms, const uint8_t* mask, size_t points, size_t k, SearchStats& stats)
        : terms_(terms), mask_(mask), stats_(stats), best_(std::min(k, points)),
          gains_(terms.size()), starts_(terms.size()), postings_(terms.size()), essential_(terms.size()),
          order_(terms.size()) {
        cursors_.reserve(terms.size());
        double sum = 0;
        uint32_t first = UINT32_MAX, last = 0;
        for (const Term& term : terms) {
            cursors_.emplace_back(term.list);
            first = std::min(first, term.list.blocks[0].first);
            last = std::max(last, term.list.blocks[term.list.block_count - 1].last);
            float largest = 0;
            for (size_t b = 0; b < term.list.block_count; ++b)
                largest = std::max({largest, std::abs(term.list.blocks[b].most), std::abs(term.list.blocks[b].least)});
            sum += std::abs(static_cast<double>(term.weight)) * largest;
        }
        // Sums in another order differ by rounding; bounds are compared with that much to spare.
        slack_ = static_cast<float>(sum * static_cast<double>(terms.size() + 2) * 0x1p-22);
        if (!(slack_ < kInfinity)) slack_ = kInfinity;
        first_ = first / kWindow * kWindow;
        end_ = static_cast<uint32_t>(std::min<uint64_t>(uint64_t{last} + 1, points));
    }

    std::vector<Hit> run() {
        if (terms_.size() == 1) {
            run_single();
        } else {
            for (uint64_t lo = first_; lo < end_; lo += kWindow)
                run_window(static_cast<uint32_t>(lo), static_cast<uint32_t>(std::min<uint64_t>(lo + kWindow, end_)));
        }
        return best_.sorted();
    }

private:
    void run_single() {
        Cursor& cursor = cursors_[0];
        const float weight = terms_[0].weight;
        for (; !cursor.done() && cursor.info().first < end_; cursor.next()) {
            const float bound = weight >= 0 ? weight * cursor.info().most : weight * cursor.info().least;
            if (bound <= best_.floor()) {
                ++stats_.skipped;
                continue;
            }
            const Block& block = cursor.load();
            stats_.summed += block.size;
            for (size_t i = 0; i < block.size; ++i) {
                const float sim = 0.0f + weight * block.weights[i];
                if (sim > best_.floor() && block.ids[i] < end_ && (!mask_ || mask_[block.ids[i]]))
                    best_.offer(sim, block.ids[i]);
            }
        }
    }

    // The score a point must exceed, with room for rounding.
    float bar() const { return best_.floor() - slack_; }

    void run_window(uint32_t lo, uint32_t hi) {
        float all = 0;
        size_t present = 0;
        for (size_t t = 0; t < terms_.size(); ++t) {
            look_at(t, lo, hi);
            all += gains_[t];
            present += postings_[t] > 0;
        }
        if (!present) return;
        if (all <= bar()) {
            ++stats_.skipped;
            return;
        }
        size_t lookups = 0;
        const float rest = choose_essential(lookups);
        std::fill_n(sums_, kWindow, 0.0f);
        for (size_t t = 0; t < terms_.size(); ++t)
            if (essential_[t]) add_up(t, lo, hi);
        if (!lookups) return take(lo, hi);
        find_candidates(lo, hi, rest);
        if (candidates_.size() * kLookupCost * terms_.size() < lookups) return complete();
        std::fill_n(sums_, kWindow, 0.0f);
        for (size_t t = 0; t < terms_.size(); ++t) add_up(t, lo, hi);
        take(lo, hi);
    }

    // Bound and size of a list inside a window.
    void look_at(size_t t, uint32_t lo, uint32_t hi) {
        Cursor& cursor = cursors_[t];
        cursor.seek(lo);
        starts_[t] = cursor.block();
        gains_[t] = 0;
        postings_[t] = 0;
        const List& list = terms_[t].list;
        for (size_t b = cursor.block(); b < list.block_count && list.blocks[b].first < hi; ++b) {
            gains_[t] = std::max(gains_[t], gain(terms_[t].weight, list.blocks[b].least, list.blocks[b].most));
            postings_[t] += kBlock;
        }
        postings_[t] = std::min<size_t>({postings_[t], list.size, hi - lo});
    }

    // Marks the lists to add up; the others cannot, all together, lift a point above the bar. Returns what those can
    // add, and how many postings they have here.
    float choose_essential(size_t& lookups) {
        std::iota(order_.begin(), order_.end(), size_t{0});
        std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return gains_[a] < gains_[b]; });
        float rest = 0;
        bool open = true;
        for (size_t t : order_) {
            open = open && rest + gains_[t] <= bar();
            essential_[t] = !open;
            if (!open) continue;
            rest += gains_[t];
            lookups += postings_[t];
        }
        return rest;
    }

    void add_up(size_t t, uint32_t lo, uint32_t hi) {
        Cursor& cursor = cursors_[t];
        const float weight = terms_[t].weight;
        for (cursor.set(starts_[t]); !cursor.done() && cursor.info().first < hi; cursor.next()) {
            const BlockInfo info = cursor.info();
            const Block& block = cursor.load();
            const uint32_t* from = info.first >= lo ? block.ids : std::lower_bound(block.ids, block.ids + block.size, lo);
            const uint32_t* to = info.last < hi ? block.ids + block.size : std::lower_bound(from, block.ids + block.size, hi);
            const float* weights = block.weights + (from - block.ids);
            const size_t n = static_cast<size_t>(to - from);
            for (size_t i = 0; i < n; ++i) sums_[from[i] - lo] += weight * weights[i];
            stats_.summed += n;
            if (info.last >= hi) break;
        }
    }

    // Calls fn(id, sum) for sums above `level()`; zero is what a point without terms has, or one that is left out.
    template <class Level, class Fn>
    void above(uint32_t lo, uint32_t hi, Level level, Fn fn) {
        const size_t n = hi - lo;
        for (size_t g = 0; g < n; g += kGroup) {
            const float least = level();
            uint32_t any = 0;
            for (size_t i = 0; i < kGroup; ++i) any |= (sums_[g + i] > least) & (sums_[g + i] != 0.0f);
            if (!any) continue;
            for (size_t i = g; i < std::min(n, g + kGroup); ++i)
                if (sums_[i] > level() && sums_[i] != 0.0f) fn(lo + static_cast<uint32_t>(i), sums_[i]);
        }
    }

    void take(uint32_t lo, uint32_t hi) {
        above(lo, hi, [&] { return best_.floor(); }, [&](uint32_t id, float sum) {
            if (!mask_ || mask_[id]) best_.offer(sum, id);
        });
    }

    // Points without a sum are passed over: what was left out stays below the bar on its own.
    void find_candidates(uint32_t lo, uint32_t hi, float rest) {
        candidates_.clear();
        const float least = bar() - rest;
        above(lo, hi, [&] { return least; }, [&](uint32_t id, float) {
            if (!mask_ || mask_[id]) candidates_.push_back(id);
        });
    }

    // Looks the candidates up in every list.
    void complete() {
        for (size_t t = 0; t < terms_.size(); ++t) cursors_[t].set(starts_[t]);
        for (uint32_t id : candidates_) {
            float sim = 0;
            for (size_t t = 0; t < terms_.size(); ++t)
                if (const float* weight = cursors_[t].find(id)) sim += terms_[t].weight * *weight;
            if (sim > best_.floor() && sim != 0.0f) best_.offer(sim, id);
        }
        stats_.looked_up += candidates_.size();
    }

    const std::vector<Term>& terms_;
    const uint8_t* mask_;
    SearchStats& stats_;
    TopK best_;
    std::vector<Cursor> cursors_;
    std::vector<float> gains_;
    std::vector<size_t> starts_, postings_;
    std::vector<uint8_t> essential_;
    std::vector<size_t> order_;
    std::vector<uint32_t> candidates_;
    float slack_ = 0;
    uint32_t first_ = 0, end_ = 0;
    alignas(64) float sums_[kWindow];
};

// The marked points, scored one by one.
std::vector<Hit> search_marked(const std::vector<Term>& terms, const uint8_t* mask, size_t points, size_t k, bool zeros) {
    std::vector<uint32_t> ids;
    for (size_t id = 0; id < points; ++id)
        if (!mask || mask[id]) ids.push_back(static_cast<uint32_t>(id));
    std::vector<float> sims(ids.size());
    std::vector<uint32_t> hits(ids.size());
    score(terms, ids.data(), ids.size(), sims.data(), hits.data());
    TopK best(std::min(k, points));
    for (size_t i = 0; i < ids.size(); ++i)
        if (hits[i] && (zeros || terms.size() == 1 || sims[i] != 0.0f)) best.offer(sims[i], ids[i]);
    return best.sorted();
}

// Adds one list to the sums of ascending points; returns through `hits` how many lists had each.
void add_list(const Term& term, const uint32_t* ids, size_t n, float* sums, uint32_t* hits) {
    Cursor cursor(term.list);
    const auto add = [&](size_t i, float weight) {
        sums[i] += term.weight * weight;
        ++hits[i];
    };
    if (term.list.size * 4 > n) {
        for (size_t i = 0; i < n; ++i)
            if (const float* weight = cursor.find(ids[i])) add(i, *weight);
        return;
    }
    const uint32_t* at = ids;
    for (; !cursor.done(); cursor.next()) {
        const Block& block = cursor.load();
        for (size_t j = 0; j < block.size; ++j) {
            at = std::lower_bound(at, ids + n, block.ids[j]);
            if (at == ids + n) return;
            if (*at == block.ids[j]) add(static_cast<size_t>(at - ids), block.weights[j]);
        }
    }
}

}  // namespace

Damage find_terms(Index& index, const uint32_t* dimensions, const float* weights, size_t n, std::vector<Term>& terms) {
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return dimensions[a] < dimensions[b]; });
    for (size_t i = 0; i < n;) {
        const uint32_t dimension = dimensions[order[i]];
        float weight = 0;
        for (; i < n && dimensions[order[i]] == dimension; ++i) weight += weights[order[i]];
        Term term{{}, weight};
        if (Damage damage = index.find(dimension, term.list)) return damage;
        if (term.list.size) terms.push_back(term);
    }
    return {};
}

std::vector<Hit> search(const std::vector<Term>& terms, const uint8_t* mask, size_t points, size_t k, bool zeros,
                        SearchStats* stats) {
    SearchStats unused;
    if (terms.empty() || !k || !points) return {};
    if (zeros) return search_marked(terms, mask, points, k, true);
    size_t marked = points, postings = 0;
    if (mask) marked = static_cast<size_t>(std::count_if(mask, mask + points, [](uint8_t m) { return m != 0; }));
    for (const Term& term : terms) postings += term.list.size;
    if (marked * terms.size() * kLookupCost < postings) return search_marked(terms, mask, points, k, false);
    return Search(terms, mask, points, k, stats ? *stats : unused).run();
}

void score(const std::vector<Term>& terms, const uint32_t* ids, size_t n, float* sims, uint32_t* hits) {
    std::fill_n(sims, n, 0.0f);
    std::fill_n(hits, n, 0u);
    for (const Term& term : terms) add_list(term, ids, n, sims, hits);
}

size_t count_marked(const List& list, const uint8_t* mask, size_t points) {
    size_t count = 0;
    Scratch scratch;
    for (size_t b = 0; b < list.block_count; ++b) {
        const Block block = list.block(b, scratch);
        for (size_t i = 0; i < block.size; ++i) count += block.ids[i] < points && mask[block.ids[i]];
    }
    return count;
}

}  // namespace edgeshard::sparse
