#include "index/hnsw/builder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "index/hnsw/builder_worker.hpp"
#include "kernels/prefetch.hpp"
#include "support/interrupt.hpp"
#include "support/thread_pool.hpp"

namespace edgeshard {
namespace {

constexpr uint64_t kNoEntry = ~uint64_t{0};
constexpr size_t kSingleThreaded = 256;  // the first nodes must find each other
constexpr size_t kMaxLevel = 40;
constexpr size_t kScanned = 2500;        // so many rows are compared in less time than a walk takes
constexpr size_t kAskEvery = 16;         // points between two looks whether to stop
constexpr size_t kLooks = 64;            // at a lock before the thread lets others run
constexpr size_t kCompare = 8;           // kept links compared at once in is_diverse()

uint64_t mix(uint64_t x) {  // splitmix64 (Steele, Lea, Flood 2014)
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

// floor(-ln(u) / ln(m)), u uniform in (0, 1].
uint8_t draw_level(uint64_t seed, uint64_t node, uint32_t m) {
    const double u = (static_cast<double>(mix(mix(seed) + node) >> 11) + 1) * 0x1p-53;
    const double level = -std::log(u) / std::log(std::max(m, 2u));
    return static_cast<uint8_t>(std::min(level, static_cast<double>(kMaxLevel)));
}

}  // namespace

Builder::Builder(const Space& space, std::vector<uint32_t> points, const BuildOptions& options)
    : space_(space), points_(std::move(points)), options_(options), on_codes_(space.walks_on_codes()),
      entry_(kNoEntry) {
    const size_t n = points_.size();
    levels_.assign(n, 0);
    for (size_t i = 0; i < n && !options_.flat && options_.m; ++i)
        levels_[i] = draw_level(options_.seed, i, options_.m);
    links0_.resize(n * options_.m0);
    counts0_.assign(n, 0);
    kept0_.assign(n, 0);
    place_upper_lists();
    locks_ = std::make_unique<std::atomic<uint8_t>[]>(n);
    options_.threads = allowed_threads(options_.threads);
}

// Gives every node as many lists above level 0 as its level says; empties those there are.
void Builder::place_upper_lists() {
    upper_first_.assign(points_.size(), 0);
    uint32_t upper = 0;
    for (size_t i = 0; i < points_.size(); ++i) {
        upper_first_[i] = upper;
        upper += levels_[i];
    }
    links_upper_.assign(size_t{upper} * options_.m, {});
    counts_upper_.assign(upper, 0);
    kept_upper_.assign(upper, 0);
}

Builder::~Builder() = default;

Builder::ListRef Builder::list(uint32_t node, size_t level) {
    if (!level) return {&links0_[size_t{node} * options_.m0], &counts0_[node], &kept0_[node], options_.m0};
    const size_t i = upper_first_[node] + level - 1;
    return {&links_upper_[i * options_.m], &counts_upper_[i], &kept_upper_[i], options_.m};
}

void Builder::lock(uint32_t node) {
    while (parallel_ && locks_[node].exchange(1, std::memory_order_acquire))
        for (size_t looks = 0; locks_[node].load(std::memory_order_relaxed); ++looks)
            if (looks >= kLooks) std::this_thread::yield();  // who holds it may have been taken off its processor
}

void Builder::unlock(uint32_t node) {
    if (parallel_) locks_[node].store(0, std::memory_order_release);
}

Builder::Worker& Builder::worker(unsigned index) {
    if (!workers_[index]) workers_[index] = std::make_unique<Worker>(space_, on_codes_);
    return *workers_[index];
}

void Builder::insert(size_t begin, size_t end) {
    if (!options_.m0) return;
    if (workers_.size() < options_.threads) workers_.resize(options_.threads);
    const size_t alone = options_.threads == 1 ? end : std::clamp(kSingleThreaded, begin, end);
    parallel_ = false;
    for (size_t i = begin; i < alone; ++i) {
        insert_one(static_cast<uint32_t>(i), worker(0));
        if (i % kAskEvery == 0) check_interrupt();
    }
    if (alone == end) return;
    parallel_ = true;
    parallel_for(end - alone, 8, options_.threads, [&](size_t from, size_t to, unsigned index) {
        for (size_t i = from; i < to; ++i) insert_one(static_cast<uint32_t>(alone + i), worker(index));
    });
}

void Builder::insert_one(uint32_t node, Worker& w) {
    const size_t top = levels_[node];
    const uint64_t own = static_cast<uint64_t>(top) << 32 | node;
    uint64_t entry = entry_.load(std::memory_order_acquire);
    if (entry == kNoEntry && entry_.compare_exchange_strong(entry, own)) return;
    const size_t entry_level = entry >> 32;
    w.scorer->use_point(points_[node]);
    uint32_t nearest = descend(static_cast<uint32_t>(entry), entry_level, top, w);
    const size_t highest = std::min(top, entry_level);
    for (size_t level = highest + 1; level-- > 0;) {
        w.scorer->use_point(points_[node]);
        if (options_.flat && node <= kScanned) scan(node, w);
        else search_level(nearest, level, w);
        w.found.clear();
        for (const Candidate& c : w.beam)
            if (c.id != node) w.found.push_back({c.id, c.sim, false});
        if (w.found.empty()) continue;
        nearest = w.found[0].node;
        select(w.found, list(node, level).capacity, w);
        replace(list(node, level), w.found);
    }
    // Only now others may find the node, from level 0 up: whoever comes down to a level finds its list there.
    for (size_t level = 0; level <= highest; ++level) {
        const ListRef own_list = list(node, level);
        w.own.assign(own_list.links, own_list.links + *own_list.count);
        for (const Link& l : w.own) link_back(l.node, node, l.sim, level, w);
    }
    while (top > (entry >> 32) && !entry_.compare_exchange_weak(entry, own)) {
    }
}

// Greedy walk from `entry` through the levels from .. to + 1.
uint32_t Builder::descend(uint32_t entry, size_t from, size_t to, Worker& w) {
    if (from <= to) return entry;
    float best;
    w.scorer->score(&points_[entry], 1, &best);
    for (size_t level = from; level > to; --level)
        for (bool moved = true; moved;) {
            moved = false;
            const ListRef l = list(entry, level);
            const uint32_t count = read(*l.count);
            w.nodes.clear();
            w.points.clear();
            for (uint32_t i = 0; i < count; ++i) {
                w.nodes.push_back(read(l.links[i].node));
                w.points.push_back(points_[w.nodes.back()]);
            }
            w.sims.resize(count);
            w.scorer->score(w.points.data(), count, w.sims.data());
            for (uint32_t i = 0; i < count; ++i)
                if (w.sims[i] > best) {
                    best = w.sims[i];
                    entry = w.nodes[i];
                    moved = true;
                }
        }
    return entry;
}

// Leaves the ef_construct nearest of the nodes before `end` in the worker's beam.
void Builder::scan(uint32_t end, Worker& w) {
    constexpr size_t kBatch = 256;
    w.beam.reset(options_.ef_construct);
    w.sims.resize(kBatch);
    for (uint32_t at = 0; at < end; at += kBatch) {
        const size_t n = std::min<size_t>(kBatch, end - at);
        w.scorer->score(&points_[at], n, w.sims.data());
        for (size_t i = 0; i < n; ++i)
            if (w.beam.accepts(w.sims[i])) w.beam.insert(w.sims[i], at + static_cast<uint32_t>(i));
    }
}

// Leaves the ef_construct nearest nodes of a level in the worker's beam.
void Builder::search_level(uint32_t entry, size_t level, Worker& w) {
    w.visited.reset(points_.size());
    w.beam.reset(options_.ef_construct);
    float sim;
    w.scorer->score(&points_[entry], 1, &sim);
    w.visited.insert(entry);
    w.beam.insert(sim, entry);
    const Visited::View visited = w.visited.view();
    w.nodes.resize(list(entry, level).capacity);
    w.points.resize(w.nodes.size());
    w.sims.resize(w.nodes.size());
    while (const Candidate* next = w.beam.pop()) {
        const ListRef l = list(next->id, level);
        const uint32_t count = read(*l.count);
        uint32_t *const nodes = w.nodes.data(), *const points = w.points.data();
        size_t fresh = 0;
        for (uint32_t i = 0; i < count; ++i) {
            const uint32_t node = read(l.links[i].node);
            nodes[fresh] = node;
            fresh += visited.insert(node);
        }
        for (size_t i = 0; i < fresh; ++i) points[i] = points_[nodes[i]];
        w.scorer->prefetch(points, fresh);
        w.scorer->score(points, fresh, w.sims.data());
        for (size_t i = 0; i < fresh; ++i)
            if (w.beam.accepts(w.sims[i])) {
                w.beam.insert(w.sims[i], nodes[i]);
                const ListRef entered = list(nodes[i], level);
                __builtin_prefetch(entered.count);
                prefetch_row(entered.links, l.capacity * sizeof(Link));
            }
    }
}

// Algorithm 4 without filling up: from the best on, a candidate stays unless it is closer to one that stayed than to
// the base. Candidates known to go together are not compared with each other again.
void Builder::select(std::vector<Pick>& sorted, uint32_t limit, Worker& w) {
    w.kept.clear();
    w.points.clear();        // of all kept
    w.fresh_points.clear();  // of the kept that are not known
    for (const Pick& c : sorted) {
        if (w.kept.size() >= limit) break;
        if (!is_diverse(c, c.known ? w.fresh_points : w.points, w)) continue;
        w.kept.push_back(c);
        w.points.push_back(points_[c.node]);
        if (!c.known) w.fresh_points.push_back(points_[c.node]);
    }
    sorted.swap(w.kept);
}

// Whether a candidate is closer to the base than to each of some points.
bool Builder::is_diverse(const Pick& candidate, const std::vector<uint32_t>& others, Worker& w) {
    float sims[kCompare];
    if (!others.empty()) w.scorer->use_point(points_[candidate.node]);
    for (size_t at = 0; at < others.size(); at += kCompare) {
        const size_t n = std::min(kCompare, others.size() - at);
        w.scorer->score(&others[at], n, sims);
        for (size_t i = 0; i < n; ++i)
            if (sims[i] > candidate.sim) return false;
    }
    return true;
}

// Writes a list; the caller holds its lock or is the only one who knows the node.
void Builder::replace(const ListRef& l, const std::vector<Pick>& picks) {
    for (size_t i = 0; i < picks.size(); ++i) {
        write(l.links[i].node, picks[i].node);
        l.links[i].sim = picks[i].sim;
    }
    *l.kept = static_cast<uint32_t>(picks.size());
    write(*l.count, *l.kept);
}

// Adds `from` to the list of `node`; a full list is selected anew from its links and the new one.
void Builder::link_back(uint32_t node, uint32_t from, float sim, size_t level, Worker& w) {
    lock(node);
    const ListRef l = list(node, level);
    const uint32_t count = *l.count;
    const bool there = std::any_of(l.links, l.links + count, [&](const Link& link) { return link.node == from; });
    if (!there && count < l.capacity) {
        write(l.links[count].node, from);
        l.links[count].sim = sim;
        write(*l.count, count + 1);
    } else if (!there) {
        w.found.clear();
        for (uint32_t i = 0; i < count; ++i) w.found.push_back({l.links[i].node, l.links[i].sim, i < *l.kept});
        w.found.push_back({from, sim, false});
        std::stable_sort(w.found.begin(), w.found.end(), [](const Pick& a, const Pick& b) { return a.sim > b.sim; });
        select(w.found, l.capacity, w);
        replace(l, w.found);
    }
    unlock(node);
}

EntryPoint Builder::entry() const {
    const uint64_t entry = entry_.load();
    if (entry == kNoEntry) return {points_.empty() ? 0 : points_[0], 0};
    return {points_[static_cast<uint32_t>(entry)], static_cast<uint32_t>(entry >> 32)};
}

size_t Builder::links0(size_t node, uint32_t* out) const {
    const ListRef l = list(static_cast<uint32_t>(node), 0);
    for (uint32_t i = 0; i < *l.count; ++i) out[i] = l.links[i].node;
    return *l.count;
}

Graph Builder::finish(uint32_t total, const std::vector<std::vector<uint32_t>>* extra) const {
    Graph graph;
    graph.points = total;
    graph.m = options_.m;
    graph.m0 = options_.m0;
    std::vector<uint32_t> node_of(total, UINT32_MAX), order(total), ranks(total);
    for (size_t i = 0; i < points_.size(); ++i) node_of[points_[i]] = static_cast<uint32_t>(i);
    const auto level_of = [&](uint32_t p) { return node_of[p] == UINT32_MAX ? 0u : unsigned{levels_[node_of[p]]}; };
    for (uint32_t p = 0; p < total; ++p) order[p] = p;
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return level_of(a) > level_of(b); });
    for (uint32_t r = 0; r < total; ++r) ranks[order[r]] = r;

    std::vector<uint64_t> offsets{0};
    std::vector<uint32_t> links;
    const size_t levels = total ? level_of(order[0]) + size_t{1} : 0;
    for (size_t level = 0; level < levels; ++level) {
        graph.level_offsets.push_back(offsets.size() - 1);
        for (uint32_t i = 0; i < total; ++i) {
            const uint32_t p = level ? order[i] : i;
            if (level_of(p) < level) break;  // never on level 0
            if (node_of[p] != UINT32_MAX && options_.m0) {
                const ListRef l = list(node_of[p], level);
                for (uint32_t j = 0; j < *l.count; ++j) links.push_back(points_[l.links[j].node]);
            }
            if (!level && extra) links.insert(links.end(), (*extra)[p].begin(), (*extra)[p].end());
            offsets.push_back(links.size());
        }
    }
    if (levels) graph.level_offsets.push_back(offsets.size() - 1);
    if (!points_.empty()) graph.entries.push_back(entry());
    graph.adopt(std::move(offsets), std::move(links), std::move(ranks));
    return graph;
}

}  // namespace edgeshard
