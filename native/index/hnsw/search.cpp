#include "index/hnsw/search.hpp"

#include <algorithm>

namespace edgeshard {
namespace {

// Points followed on the upper levels. On clusters that overlap (benchmarks/growth.py) 3 bring recall at ef 48 from 0.991
// to 0.999 for 64 more points compared of 670; more bring nothing.
constexpr size_t kUpperBeam = 3;
// Codes for walks are those of the records but for the rounding of the query: so many more than asked for are enough.
constexpr size_t kRefined = 6;
// How many times as wide as evenly spread wanted points need it a beam may become. With 4 filters that go against the
// vectors find what those that do not find (docs/design/hnsw.md).
constexpr double kWidest = 4;
// Points of level 0 expanded at a time. The first of a list costs a memory access, those behind it little more; the lists of
// four points cost one. Of those a walk would have left out in the end it compares some, which its recall gains from: at
// equal recall it takes as long as one that expands one by one where all is in the caches, and a quarter less beyond.
constexpr size_t kTogether = 4;

// The points above level 0 as the descent numbers them: by themselves, or by rank where lists are unpacked.
struct ByPoint {
    const Graph& graph;
    Graph::Scratch& scratch;
    size_t count() const { return graph.points; }
    const std::vector<uint32_t>* starts(size_t&) const { return nullptr; }
    uint32_t number(uint32_t point) const { return point; }
    uint32_t point(uint32_t number) const { return number; }
    List list(uint32_t number, size_t level) const { return graph.list(number, level, scratch); }
    void prefetch(uint32_t, size_t) const {}
};

struct ByRank {
    const WalkLists& lists;
    size_t count() const { return lists.ranks(); }
    const std::vector<uint32_t>* starts(size_t& level) const {
        if (lists.starts().empty() || lists.start_level() > level) return nullptr;
        level = lists.start_level();
        return &lists.starts();
    }
    uint32_t number(uint32_t point) const { return lists.rank(point); }
    uint32_t point(uint32_t number) const { return lists.point(number); }
    List list(uint32_t number, size_t level) const { return lists.upper(number, level); }
    void prefetch(uint32_t number, size_t level) const { lists.prefetch_upper(number, level); }
};

// Copies the listed points that were not seen before; how many those are. No branch depends on which they are: it could not
// be predicted.
size_t keep_fresh(Visited::View visited, List list, uint32_t* out) {
    size_t n = 0;
    for (size_t i = 0; i < list.count; ++i) {
        const uint32_t id = list.ids[i];
        out[n] = id;
        n += visited.insert(id);
    }
    return n;
}

}  // namespace

Searcher::Searcher(const Graph& graph, const Space& space, bool on_codes, const WalkLists* lists)
    : graph_(graph), lists_(lists), scorer_(space.scorer(on_codes)), exact_(on_codes ? space.scorer(false) : nullptr),
      refiner_(on_codes ? space.refiner() : nullptr) {}

const std::vector<Hit>& Searcher::search(const char* query, size_t rows, const SearchOptions& options) {
    options_ = options;
    options_.ef = std::max(options.ef, options.k);
    wanted_ = 0;
    held_ = std::max<size_t>(options.k, static_cast<size_t>(static_cast<double>(options_.ef) * std::min(options.held, 1.0)));
    if (through()) {
        const double widened = kWidest * static_cast<double>(options_.ef) / std::max(options.selectivity, 1e-6);
        options_.ef = static_cast<size_t>(std::min(widened, static_cast<double>(graph_.points)));
    }
    options_.ef = std::clamp<size_t>(options_.ef, 1, std::max(graph_.points, 1u));
    hits_.clear();
    if (graph_.entries.empty() || !graph_.points || !options.k) return hits_;
    scorer_->use_query(query, rows);
    if (options_.mode == FilterMode::acorn) second_hop_.reset(graph_.points);
    beam_.reset(options_.ef);
    walk();
    collect(query, rows);
    return hits_;
}

// Walks through the upper levels, which leave the best points of level 1 in `starts_`. The filter does not matter there,
// they only lead to the neighbourhood. Following the single best point, as Malkov & Yashunin do, ends in the wrong cluster
// now and then, where no beam of level 0 finds the way out.
void Searcher::descend(EntryPoint entry) {
    if (lists_ && entry.level && lists_->rank(entry.point) < lists_->ranks()) return descend(entry, ByRank{*lists_});
    descend(entry, ByPoint{graph_, scratch_});
}

template <class Upper>
void Searcher::descend(EntryPoint entry, const Upper& upper) {
    size_t level = std::min<size_t>(entry.level, graph_.levels() - 1);
    upper_.reset(kUpperBeam);
    if (const std::vector<uint32_t>* starts = upper.starts(level)) {
        batch_ = *starts;
        --level;
    } else {
        batch_.assign(1, upper.number(entry.point));
    }
    score_upper(upper, level);
    for (; level > 0; --level) {
        visited_.reset(upper.count());
        for (const Candidate& c : upper_) {
            visited_.insert(c.id);
            upper.prefetch(c.id, level);
        }
        upper_.reopen();
        while (const Candidate* next = upper_.pop()) {
            const List l = upper.list(next->id, level);
            damaged_ = damaged_ || l.damaged;
            batch_.resize(l.count);
            batch_.resize(keep_fresh(visited_.view(), l, batch_.data()));
            score_upper(upper, level);
        }
    }
    starts_.clear();
    for (const Candidate& c : upper_) starts_.push_back({c.sim, upper.point(c.id)});
}

// Scores the numbers gathered on an upper level.
template <class Upper>
void Searcher::score_upper(const Upper& upper, size_t level) {
    points_.resize(batch_.size());
    for (size_t i = 0; i < batch_.size(); ++i) points_[i] = upper.point(batch_[i]);
    scorer_->prefetch(points_.data(), points_.size());
    score(points_);
    for (size_t i = 0; i < batch_.size(); ++i)
        if (upper_.accepts(sims_[i])) {
            upper_.insert(sims_[i], batch_[i]);
            if (level) upper.prefetch(batch_[i], level);
        }
}

void Searcher::seed(uint32_t point) {
    if (!visited_.insert(point)) return;
    batch_.push_back(point);
}

// Level 0. With a filter the entry points of sub-graphs that pass are seeds too: the neighbourhood found from above may
// hold no wanted point at all.
void Searcher::walk() {
    if (through()) return walk_level0([this](float sim, uint32_t id) { enter_through(sim, id); });
    walk_level0([this](float sim, uint32_t id) { beam_.insert(sim, id); });
}

template <class Enter>
void Searcher::walk_level0(Enter enter) {
    descend(graph_.entries[0]);
    visited_.reset(graph_.points);
    batch_.clear();
    for (const Candidate& c : starts_)
        if (visited_.insert(c.id) && beam_.accepts(c.sim)) {
            enter(c.sim, c.id);
            prefetch_list(c.id);
        }
    if (options_.mask && options_.mode != FilterMode::through) {
        constexpr size_t kSeeds = 8;
        for (size_t i = 0; i < graph_.entries.size() && batch_.size() < kSeeds; ++i)
            if (wanted(graph_.entries[i].point)) seed(graph_.entries[i].point);
        for (size_t i = 0; i < graph_.extra_entries.size() && batch_.size() < kSeeds; ++i)
            if (wanted(graph_.extra_entries[i].point)) seed(graph_.extra_entries[i].point);
    }
    score_gathered(enter);
    while (const Candidate* next = beam_.pop()) {
        size_t count = 0;
        uint32_t together[kTogether];
        for (; next; next = count < kTogether ? beam_.pop() : nullptr) together[count++] = next->id;
        gather(together, count);
        score_gathered(enter);
    }
}

// The neighbours of points on level 0 that are to be scored.
void Searcher::gather(const uint32_t* points, size_t count) {
    batch_.clear();
    if (!options_.mask || options_.mode == FilterMode::through) return gather_all(points, count);
    for (size_t i = 0; i < count; ++i)
        if (options_.mode == FilterMode::acorn) gather_acorn(points[i]);
        else gather_wanted(points[i]);
}

// Without the links behind the first m0, which were added for filters and would only cost time.
void Searcher::gather_all(const uint32_t* points, size_t count) {
    if (lists_) batch_.resize(count * lists_->stride());
    const Visited::View visited = visited_.view();
    size_t n = 0;
    for (size_t i = 0; i < count; ++i) {
        List l = lists_ ? lists_->list(points[i]) : graph_.list(points[i], 0, scratch_);
        damaged_ = damaged_ || l.damaged;
        if (graph_.m0) l.count = std::min<size_t>(l.count, graph_.m0);
        if (!lists_) batch_.resize(n + l.count);
        const size_t fresh = keep_fresh(visited, l, batch_.data() + n);
        scorer_->prefetch(batch_.data() + n, fresh);
        n += fresh;
    }
    batch_.resize(n);
}

void Searcher::gather_wanted(uint32_t point) {
    const List l = graph_.list(point, 0, scratch_);
    damaged_ = damaged_ || l.damaged;
    const size_t before = batch_.size(), limit = graph_.m0 ? graph_.m0 : l.count;
    for (size_t i = 0; i < l.count && batch_.size() - before < limit; ++i) {
        const uint32_t id = l.ids[i];
        if (options_.mask[id] && visited_.insert(id)) batch_.push_back(id);
    }
    scorer_->prefetch(batch_.data() + before, batch_.size() - before);
}

// Wanted neighbours, and the wanted neighbours of those that are not.
void Searcher::gather_acorn(uint32_t point) {
    const List l = graph_.list(point, 0, scratch_);
    damaged_ = damaged_ || l.damaged;
    const size_t limit = graph_.m0 ? graph_.m0 : l.count;
    size_t direct = 0;
    for (size_t i = 0; i < l.count; ++i) {
        const uint32_t id = l.ids[i];
        if (options_.mask[id]) {
            if (direct < limit && visited_.insert(id)) {
                scorer_->prefetch(&id, 1);
                batch_.push_back(id);
                ++direct;
            }
            continue;
        }
        if (!second_hop_.insert(id)) continue;
        const List hop = graph_.list(id, 0, inner_scratch_);
        damaged_ = damaged_ || hop.damaged;
        size_t taken = 0;
        for (size_t j = 0; j < hop.count && taken < limit; ++j)
            if (options_.mask[hop.ids[j]] && visited_.insert(hop.ids[j])) {
                scorer_->prefetch(hop.ids + j, 1);
                batch_.push_back(hop.ids[j]);
                ++taken;
            }
    }
}

void Searcher::score(const std::vector<uint32_t>& points) {
    if (sims_.size() < points.size()) sims_.resize(points.size());
    scorer_->score(points.data(), points.size(), sims_.data());
}

void Searcher::prefetch_list(uint32_t point) const {
    if (lists_) lists_->prefetch(point);
    else graph_.prefetch(point);
}

template <class Enter>
void Searcher::score_gathered(Enter enter) {
    score(batch_);
    if (beam_.full()) keep_near();
    for (size_t i = 0; i < batch_.size(); ++i)
        if (beam_.accepts(sims_[i])) {
            enter(sims_[i], batch_[i]);
            prefetch_list(batch_[i]);
        }
}

// Leaves out what a full beam does not accept, without branches: which those are cannot be predicted.
void Searcher::keep_near() {
    const float bar = beam_[beam_.size() - 1].sim;
    size_t n = 0;
    for (size_t i = 0; i < batch_.size(); ++i) {
        const float sim = sims_[i];
        sims_[n] = sim;
        batch_[n] = batch_[i];
        n += sim > bar;
    }
    batch_.resize(n);
}

// Puts a candidate that the beam accepts into it, which then ends with the last of as many wanted points as it is to hold:
// where points near the query are wanted less often than elsewhere it is wider than where they are wanted more often.
void Searcher::enter_through(float sim, uint32_t id) {
    const bool closed = wanted_ >= held_, counts = wanted(id);  // a closed beam is full, and ends with a wanted point
    if (closed && !counts) beam_.widen(options_.ef);
    const bool lost = beam_.full() && ((closed && counts) || wanted(beam_[beam_.size() - 1].id));
    beam_.insert(sim, id);
    wanted_ += counts;
    wanted_ -= lost;
    if (!counts || wanted_ < held_) return;
    size_t size = beam_.size();
    while (!wanted(beam_[size - 1].id)) --size;
    beam_.close(size);
}

// Leaves out hits, which are in order, that the exact similarities will hardly bring among the k best.
void Searcher::drop_hopeless() {
    if (hits_.size() <= options_.k) return;
    constexpr float kDeviations = 4;
    const Hit& last = hits_[options_.k - 1];
    const float bar = last.sim - kDeviations * scorer_->deviation(last.offset);
    const auto hopeless = [&](const Hit& hit) { return hit.sim + kDeviations * scorer_->deviation(hit.offset) < bar; };
    hits_.erase(std::remove_if(hits_.begin() + static_cast<std::ptrdiff_t>(options_.k), hits_.end(), hopeless),
                hits_.end());
}

// The k best wanted points of the beam, the first ones in exact order if the walk was on codes.
void Searcher::collect(const char* query, size_t rows) {
    const bool rescores = exact_ && options_.rescore > 0;
    Scorer* const last = rescores ? exact_.get() : refiner_.get();
    size_t limit = options_.k;
    if (last) limit = rescores ? std::max(options_.rescore, limit) : limit + std::max<size_t>(limit / 4, kRefined);
    for (const Candidate& c : beam_) {
        if (hits_.size() >= limit && (last || c.sim < hits_.back().sim)) break;  // of equal ones offsets decide
        if (wanted(c.id)) hits_.push_back({c.sim, c.id});
    }
    if (last) {
        if (rescores) drop_hopeless();
        batch_.clear();
        for (const Hit& hit : hits_) batch_.push_back(hit.offset);
        sims_.resize(std::max(sims_.size(), batch_.size()));
        last->use_query(query, rows);
        last->score(batch_.data(), batch_.size(), sims_.data());
        for (size_t i = 0; i < hits_.size(); ++i) hits_[i].sim = sims_[i];
    }
    std::sort(hits_.begin(), hits_.end(), better);
    if (hits_.size() > options_.k) hits_.resize(options_.k);
}

}  // namespace edgeshard
