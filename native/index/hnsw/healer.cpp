#include "index/hnsw/healer.hpp"

#include <algorithm>

#include "index/hnsw/builder_worker.hpp"
#include "support/thread_pool.hpp"

namespace edgeshard {
namespace {

constexpr uint32_t kGone = UINT32_MAX;
constexpr size_t kMaxLevels = 64;  // of a graph; one with the default m and a billion points has 9
constexpr size_t kMaxGone = 256;   // points that are gone looked through for one list
constexpr size_t kTried = 64;      // nearest candidates compared with the links: more cost time and bring nothing

}  // namespace

struct Healer::Scratch {
    Graph::Scratch list;
    Visited seen;                 // old points
    std::vector<uint32_t> gone;   // old points to look through, nearest hop first
    size_t links = 0;             // how many of the worker's nodes are the list's own links, the others are candidates
    std::vector<Addition> additions;
};

bool Healer::can_adopt(const Graph& old, const BuildOptions& options) {
    return options.m0 && old.m == options.m && old.m0 == options.m0 && old.levels() <= kMaxLevels && !old.verify();
}

Healer::Healer(Builder& builder, const Graph& old, std::vector<uint32_t> old_points)
    : builder_(builder), old_(old), old_points_(std::move(old_points)), node_of_(old.points, kGone) {
    Builder& b = builder_;
    uint64_t entry = b.entry_.load();
    for (uint32_t node = 0; node < old_points_.size(); ++node) {
        node_of_[old_points_[node]] = node;
        b.levels_[node] = static_cast<uint8_t>(old.top_level(old_points_[node]));
        const uint64_t own = uint64_t{b.levels_[node]} << 32 | node;
        if (!node || (own >> 32) > (entry >> 32)) entry = own;
    }
    if (!old.entries.empty() && node_of_[old.entries[0].point] != kGone) {
        const uint32_t node = node_of_[old.entries[0].point];
        if (b.levels_[node] == entry >> 32) entry = uint64_t{b.levels_[node]} << 32 | node;
    }
    b.place_upper_lists();
    b.entry_.store(entry);
    if (b.workers_.size() < b.options_.threads) b.workers_.resize(b.options_.threads);
    scratches_.resize(b.options_.threads);
}

Healer::~Healer() = default;

void Healer::mend(size_t begin, size_t end) {
    parallel_for(end - begin, 64, builder_.options_.threads, [&](size_t from, size_t to, unsigned index) {
        for (size_t i = begin + from; i < begin + to; ++i)
            for (size_t level = 0; level <= builder_.levels_[i]; ++level)
                mend_list(static_cast<uint32_t>(i), level, builder_.worker(index), scratches_[index]);
    });
    for (Scratch& scratch : scratches_) {
        additions_.insert(additions_.end(), scratch.additions.begin(), scratch.additions.end());
        scratch.additions.clear();
    }
}

// Puts the links of a list that stay into the worker's nodes, and behind them candidates to replace those that are gone.
void Healer::gather(uint32_t node, size_t level, Builder::Worker& w, Scratch& s) {
    const size_t capacity = builder_.list(node, level).capacity;
    const auto visit = [&](uint32_t from) {
        const List l = old_.list(from, level, s.list);
        for (size_t i = 0; i < std::min(l.count, capacity); ++i) {
            if (!s.seen.insert(l.ids[i])) continue;
            const uint32_t to = node_of_[l.ids[i]];
            if (to == kGone) s.gone.push_back(l.ids[i]);
            else if (builder_.levels_[to] >= level) w.nodes.push_back(to);
        }
    };
    s.seen.reset(old_.points);
    s.seen.insert(old_points_[node]);
    s.gone.clear();
    w.nodes.clear();
    visit(old_points_[node]);
    s.links = w.nodes.size();
    const size_t enough = s.links + builder_.options_.ef_construct;
    for (size_t i = 0; i < std::min(s.gone.size(), kMaxGone) && w.nodes.size() < enough; ++i) visit(s.gone[i]);
}

void Healer::mend_list(uint32_t node, size_t level, Builder::Worker& w, Scratch& s) {
    gather(node, level, w, s);
    w.points.clear();
    for (uint32_t to : w.nodes) w.points.push_back(builder_.points_[to]);
    w.sims.resize(w.nodes.size());
    w.scorer->use_point(builder_.points_[node]);
    w.scorer->score(w.points.data(), w.points.size(), w.sims.data());
    w.found.clear();
    for (size_t i = 0; i < w.nodes.size(); ++i) w.found.push_back({w.nodes[i], w.sims[i], false});
    const auto closer = [](const auto& a, const auto& b) { return a.sim > b.sim; };
    const auto candidates = w.found.begin() + static_cast<std::ptrdiff_t>(s.links);
    std::stable_sort(w.found.begin(), candidates, closer);
    std::stable_sort(candidates, w.found.end(), closer);
    if (w.found.size() > s.links + kTried) w.found.resize(s.links + kTried);

    w.kept.assign(w.found.begin(), candidates);
    w.points.resize(s.links);
    for (size_t i = 0; i < s.links; ++i) w.points[i] = builder_.points_[w.kept[i].node];
    const Builder::ListRef list = builder_.list(node, level);
    for (auto c = candidates; c != w.found.end() && w.kept.size() < list.capacity; ++c) {
        if (!builder_.is_diverse(*c, w.points, w)) continue;
        w.kept.push_back(*c);
        w.points.push_back(builder_.points_[c->node]);
        s.additions.push_back({node, c->node, c->sim, static_cast<uint32_t>(level)});
    }
    Builder::replace(list, w.kept);
    *list.kept = 0;  // nobody knows which of them a selection would keep
}

void Healer::link_back(size_t begin, size_t end) {
    builder_.parallel_ = builder_.options_.threads > 1;
    parallel_for(end - begin, 64, builder_.options_.threads, [&](size_t from, size_t to, unsigned index) {
        for (size_t i = begin + from; i < begin + to; ++i) {
            const Addition& a = additions_[i];
            builder_.link_back(a.to, a.node, a.sim, a.level, builder_.worker(index));
        }
    });
}

void Healer::finish() {
    builder_.parallel_ = false;
    for (uint32_t node = 0; node < old_points_.size(); ++node)
        if (!builder_.counts0_[node]) builder_.insert_one(node, builder_.worker(0));
}

}  // namespace edgeshard
