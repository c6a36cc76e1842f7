#include "index/sparse/search.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "index/sparse/cursor.hpp"
#include "kernels/sums/sums.hpp"

namespace edgeshard::sparse {

namespace {

constexpr uint32_t kWindow = 8192;  // ids; their sums stay in the caches next to the core
constexpr size_t kScoreCost = 16;   // the same when one list after the other is asked for ascending points
constexpr size_t kSparseMask = 8;   // one in so many points marked: go by the marked points, not by the sums
constexpr size_t kMinSaved = 2048;  // postings in a window below which looking points up is not worth the bookkeeping
constexpr unsigned kMaxPause = 64;  // windows
constexpr size_t kLookupCost = 24;  // postings that could be added up in the time one point is looked up in a list
constexpr size_t kThin = kWindow / 24;     // postings in a window below which it is not worth going through all sums
constexpr size_t kDenseCost = kWindow / 10;  // postings that could be added up in the time a dense list is
constexpr size_t kStep = 4;                  // groups of sums compared at a time
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The most a list can add to a point with weights between these.
float gain(float weight, float least, float most) {
    const float best = weight >= 0 ? weight * most : weight * least;
    return best > 0 ? best : best == best ? 0.0f : kInfinity;
}

// Whether a mask of zeros and ones marks less than `limit` points; looks no further than it must.
bool few_marked(const uint8_t* mask, size_t points, size_t limit) {
    constexpr size_t kStretch = 8 * 255;  // as many words as fit the sums of bytes
    size_t marked = 0, at = 0;
    while (at < points && marked < limit) {
        const size_t stop = std::min(points, at + kStretch);
        uint64_t bytes = 0;
        for (; at + 8 <= stop; at += 8) {
            uint64_t word;
            __builtin_memcpy(&word, mask + at, 8);
            bytes += word;
        }
        for (int i = 0; i < 8; ++i) marked += bytes >> 8 * i & 0xff;
        for (; at < stop; ++at) marked += mask[at] != 0;
    }
    return marked < limit;
}

std::vector<uint32_t> marked_ids(const uint8_t* mask, size_t points) {
    std::vector<uint32_t> ids;
    for (size_t at = 0; at < points; at += 8) {
        uint64_t word = 1;
        if (at + 8 <= points) __builtin_memcpy(&word, mask + at, 8);
        if (!word) continue;
        for (size_t id = at; id < std::min(points, at + 8); ++id)
            if (mask[id]) ids.push_back(static_cast<uint32_t>(id));
    }
    return ids;
}

// The k best of a stream, ids ascending: a buffer that is cut back to the best k whenever it is full. Cheaper than a heap
// where much is offered; the floor rises a little later. A hit is one number whose order is that of `better`: the bits
// of the similarity, made ascending, above those of the id, made descending.
class Collector {
public:
    explicit Collector(size_t k) : k_(k), limit_(k + std::max<size_t>(k, 24)) {}

    float floor() const { return floor_; }
    void offer(float sim, uint32_t id) {
        keys_.push_back(uint64_t{ascending(sim + 0.0f)} << 32 | static_cast<uint32_t>(~id));
        if (keys_.size() < limit_) return;
        cut();
        floor_ = sim_of(keys_[k_ - 1]);
    }
    std::vector<Hit> sorted() {
        if (keys_.size() > k_) cut();
        std::sort(keys_.begin(), keys_.end(), std::greater<>());
        std::vector<Hit> hits;
        hits.reserve(keys_.size());
        for (const uint64_t key : keys_) hits.push_back({sim_of(key), ~static_cast<uint32_t>(key)});
        return hits;
    }

private:
    static constexpr uint32_t kSign = 1u << 31;
    static uint32_t ascending(float sim) {
        const uint32_t bits = std::bit_cast<uint32_t>(sim);
        return bits & kSign ? ~bits : bits | kSign;
    }
    static float sim_of(uint64_t key) {
        const uint32_t bits = static_cast<uint32_t>(key >> 32);
        return std::bit_cast<float>(bits & kSign ? bits & ~kSign : ~bits);
    }
    void cut() {
        std::nth_element(keys_.begin(), keys_.begin() + static_cast<ptrdiff_t>(k_ - 1), keys_.end(), std::greater<>());
        keys_.resize(k_);
    }

    size_t k_, limit_;
    float floor_ = -kInfinity;
    std::vector<uint64_t> keys_;
};

// What a sum is before anything is added: no sum of products, none of which is -0, ends here.
constexpr float kUntouched = -0.0f;

class Search {
public:
    Search(const std::vector<Term>& terms, const uint8_t* mask, size_t points, size_t k, bool zeros, SearchStats& stats)
        : terms_(terms), mask_(mask), zeros_(zeros), stats_(stats), best_(std::min(k, points)),
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
        if (zeros || few_marked(mask, points, points / kSparseMask)) {
            marked_ = marked_ids(mask, points);
            by_mask_ = true;
        }
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
                if (sim > best_.floor() && (zeros_ || sim != 0.0f) && block.ids[i] < end_ && mask_[block.ids[i]])
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
            present += postings_[t];
        }
        if (!present) return;
        if (all <= bar()) {
            ++stats_.skipped;
            return;
        }
        if (!by_mask_ && present < kThin) return run_thin(lo, hi);
        size_t saved = 0;
        const float rest = choose_essential(saved);
        if (saved >= kMinSaved && !paused_ && run_pruned(lo, hi, rest, saved)) return;
        paused_ -= paused_ > 0;
        clear();
        for (size_t t = 0; t < terms_.size(); ++t) add_up<false>(t, lo, hi);
        take(lo, hi);
    }

    // Few postings: remembers where they went instead of going through all sums.
    void run_thin(uint32_t lo, uint32_t hi) {
        clear();
        touched_.clear();
        for (size_t t = 0; t < terms_.size(); ++t) add_up<true>(t, lo, hi);
        for (uint32_t id : touched_) {  // not ascending: equal to the worst may still be better than it
            float& sum = sums_[id - lo];
            if (sum >= best_.floor() && sum != 0.0f && mask_[id]) best_.offer(sum, id);
            sum = 0.0f;
        }
        clean_ = true;
    }

    // False if so many points came close that adding everything up is cheaper; pruning then pauses for a while.
    bool run_pruned(uint32_t lo, uint32_t hi, float rest, size_t saved) {
        clear();
        for (size_t t = 0; t < terms_.size(); ++t)
            if (essential_[t]) add_up<false>(t, lo, hi);
        find_candidates(lo, hi, rest);
        if (candidates_.size() * kLookupCost * terms_.size() < saved) {
            pause_ = 1;
            complete();
            return true;
        }
        paused_ = pause_ = std::min(2 * pause_, kMaxPause);
        return false;
    }

    // Makes the sums ready for another window.
    void clear() {
        if (!clean_ && zeros_) std::fill_n(sums_, kWindow, kUntouched);
        if (!clean_ && !zeros_) std::memset(sums_, 0, sizeof(sums_));  // where sums of 0 do not count in any case
        clean_ = false;
    }

    // Whether a list is added up as a whole array; not where a weight of 0 must be told from none.
    bool is_dense(size_t t) const {
        return terms_[t].list.dense && !zeros_ && std::isfinite(terms_[t].weight);
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
        postings_[t] = std::min<size_t>({postings_[t], list.size, is_dense(t) ? kDenseCost : hi - lo});
    }

    // Marks the lists to add up; the others cannot, all together, lift a point above the bar. Returns what those can
    // add, and how many postings they have here.
    float choose_essential(size_t& saved) {
        std::iota(order_.begin(), order_.end(), size_t{0});
        std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return gains_[a] < gains_[b]; });
        float rest = 0;
        bool open = true;
        for (size_t t : order_) {
            open = open && rest + gains_[t] <= bar();
            essential_[t] = !open;
            if (!open) continue;
            rest += gains_[t];
            saved += postings_[t];
        }
        return rest;
    }

    template <bool Remember>
    void add_up(size_t t, uint32_t lo, uint32_t hi) {
        Cursor& cursor = cursors_[t];
        const float weight = terms_[t].weight;
        if (!Remember && is_dense(t)) {
            const List& list = terms_[t].list;
            const size_t n = lo < list.dense_size ? std::min<size_t>(hi, list.dense_size) - lo : 0;
            for (size_t i = 0; i < n; ++i) sums_[i] += weight * list.dense[lo + i];
            stats_.summed += postings_[t];
            return;
        }
        for (cursor.set(starts_[t]); !cursor.done() && cursor.info().first < hi; cursor.next()) {
            const BlockInfo info = cursor.info();
            const Block& block = cursor.load();
            const uint32_t* from = info.first >= lo ? block.ids : std::lower_bound(block.ids, block.ids + block.size, lo);
            const uint32_t* to = info.last < hi ? block.ids + block.size : std::lower_bound(from, block.ids + block.size, hi);
            const float* weights = block.weights + (from - block.ids);
            const size_t n = static_cast<size_t>(to - from);
            if (zeros_) {
                for (size_t i = 0; i < n; ++i) sums_[from[i] - lo] += weight * weights[i] + 0.0f;  // turns -0 into 0
            } else {
                for (size_t i = 0; i < n; ++i) sums_[from[i] - lo] += weight * weights[i];
            }
            if constexpr (Remember) touched_.insert(touched_.end(), from, to);
            stats_.summed += n;
            if (info.last >= hi) break;
        }
    }

    // Whether a sum is one: points without terms have none, and sums of 0 may be unwanted.
    bool counts(float sum) const { return sum != 0.0f || (zeros_ && !std::signbit(sum)); }

    // Calls fn(id, sum) for marked points with a sum above `level()` that is not 0, which is what a point without
    // terms has, or one that is left out.
    template <class Level, class Fn>
    void above(uint32_t lo, uint32_t hi, Level level, Fn fn) {
        if (by_mask_) {
            const auto from = std::lower_bound(marked_.begin(), marked_.end(), lo);
            for (auto id = from; id != marked_.end() && *id < hi; ++id)
                if (const float sum = sums_[*id - lo]; sum > level() && counts(sum)) fn(*id, sum);
            return;
        }
        const size_t n = hi - lo;
        for (size_t from = 0; from < n; from += kStep * kSumGroup) {  // in steps, because the level rises
            uint64_t bits[kStep];
            sums_above_(sums_ + from, kStep, level(), bits);
            for (size_t g = 0; g < kStep; ++g) {
                for (uint64_t left = bits[g]; left; left &= left - 1) {
                    const size_t i = from + g * kSumGroup + static_cast<size_t>(std::countr_zero(left));
                    if (sums_[i] > level() && lo + i < hi && mask_[lo + i]) fn(lo + static_cast<uint32_t>(i), sums_[i]);
                }
            }
        }
    }

    void take(uint32_t lo, uint32_t hi) {
        above(lo, hi, [&] { return best_.floor(); }, [&](uint32_t id, float sum) { best_.offer(sum, id); });
    }

    // Points without a sum are passed over: what was left out stays below the bar on its own.
    void find_candidates(uint32_t lo, uint32_t hi, float rest) {
        candidates_.clear();
        const float least = bar() - rest;
        above(lo, hi, [&] { return least; }, [&](uint32_t id, float) { candidates_.push_back(id); });
    }

    // Looks the candidates up in every list.
    void complete() {
        for (size_t t = 0; t < terms_.size(); ++t) cursors_[t].set(starts_[t]);
        for (uint32_t id : candidates_) {
            float sim = 0;
            for (size_t t = 0; t < terms_.size(); ++t) {
                const List& list = terms_[t].list;
                if (is_dense(t)) {
                    if (id < list.dense_size) sim += terms_[t].weight * list.dense[id];
                } else if (const float* weight = cursors_[t].find(id)) {
                    sim += terms_[t].weight * *weight;
                }
            }
            if (sim > best_.floor() && (zeros_ || sim != 0.0f)) best_.offer(sim, id);
        }
        stats_.looked_up += candidates_.size();
    }

    const std::vector<Term>& terms_;
    const uint8_t* mask_;
    bool zeros_;
    SearchStats& stats_;
    Collector best_;
    std::vector<Cursor> cursors_;
    std::vector<float> gains_;
    std::vector<size_t> starts_, postings_;
    std::vector<uint8_t> essential_;
    std::vector<size_t> order_;
    std::vector<uint32_t> candidates_, marked_, touched_;
    SumsAbove sums_above_ = sums_above(best_isa());
    bool by_mask_ = false, clean_ = false;
    float slack_ = 0;
    uint32_t first_ = 0, end_ = 0;
    unsigned pause_ = 1, paused_ = 0;  // windows without pruning after an attempt that did not pay
    alignas(64) float sums_[kWindow];
};

// The marked points, scored one by one.
std::vector<Hit> search_marked(const std::vector<Term>& terms, const uint8_t* mask, size_t points, size_t k, bool zeros) {
    const std::vector<uint32_t> ids = marked_ids(mask, points);
    std::vector<float> sims(ids.size());
    std::vector<uint32_t> hits(ids.size());
    score(terms, ids.data(), ids.size(), sims.data(), hits.data());
    Collector best(std::min(k, points));
    for (size_t i = 0; i < ids.size(); ++i)
        if (hits[i] && sims[i] > best.floor() && (zeros || sims[i] != 0.0f)) best.offer(sims[i], ids[i]);
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
    size_t postings = 0;
    for (const Term& term : terms) postings += term.list.size;
    if (few_marked(mask, points, postings / (terms.size() * kScoreCost)))
        return search_marked(terms, mask, points, k, zeros);
    return Search(terms, mask, points, k, zeros, stats ? *stats : unused).run();
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
