#include "index/hnsw/walk_lists.hpp"

#include <algorithm>

#include "kernels/prefetch.hpp"

namespace edgeshard {

namespace {

// What lists may take unpacked, on average, for what they hold: m and m0 are numbers in a file, which may be wrong.
constexpr size_t kLeast = 64, kTimes = 8;
// Points of a level that are few enough to be compared one and all.
constexpr uint64_t kFew = 128;

bool is_worth_it(size_t lists, size_t stride, size_t links) { return stride <= kLeast || lists * stride <= kTimes * links; }

}  // namespace

WalkLists::WalkLists(const Graph& graph) : graph_(graph), stride_(graph.m0), upper_stride_(graph.m) {
    usable_ = stride_ > 0;  // else a graph of links inside blocks only
    if (usable_) unpack_level0();
    if (usable_ && graph.levels() > 1) unpack_upper();
    if (usable_ && graph.levels() > 1) find_starts();
}

void WalkLists::unpack_level0() {
    Graph::Scratch scratch;
    size_t links = 0;
    for (uint32_t point = 0; point < graph_.points && stride_ > kLeast; ++point)
        links += std::min(graph_.list(point, 0, scratch).count, stride_);
    usable_ = is_worth_it(graph_.points, stride_, links);
    if (!usable_) return;
    ids_.reserve(std::max<size_t>(graph_.points * stride_, 1));
    for (uint32_t point = 0; point < graph_.points; ++point) {
        const List list = graph_.list(point, 0, scratch);
        usable_ = usable_ && !list.damaged;
        uint32_t* out = ids_.data() + point * stride_;
        const size_t count = std::min(list.count, stride_);
        std::copy_n(list.ids, count, out);
        std::fill(out + count, out + stride_, kNone);
    }
}

void WalkLists::unpack_upper() {
    points_.assign(graph_.population(1), kNone);
    for (uint32_t point = 0; point < graph_.points; ++point)
        if (graph_.rank(point) < points_.size()) points_[graph_.rank(point)] = point;
    Graph::Scratch scratch;
    const auto list_of = [&](uint32_t rank, size_t level) {
        return points_[rank] == kNone ? List{nullptr, 0, true} : graph_.list(points_[rank], level, scratch);
    };
    const size_t lists = graph_.level_offsets.back() - graph_.level_offsets[1];
    size_t links = 0;
    for (size_t level = 1; level < graph_.levels() && upper_stride_ > kLeast; ++level)
        for (uint32_t rank = 0; rank < graph_.population(level); ++rank) links += list_of(rank, level).count;
    usable_ = is_worth_it(lists, upper_stride_, links);
    if (usable_) upper_ids_.assign(lists * upper_stride_, kNone);
    for (size_t level = 1; level < graph_.levels() && usable_; ++level)
        for (uint32_t rank = 0; rank < graph_.population(level) && usable_; ++rank) {
            const List list = list_of(rank, level);
            usable_ = !list.damaged && list.count <= upper_stride_;
            uint32_t* out = upper_ids_.data() + slot(rank, level) * upper_stride_;
            for (size_t i = 0; i < list.count && usable_; ++i) {
                out[i] = graph_.rank(list.ids[i]);
                usable_ = out[i] < graph_.population(level);
            }
        }
}

void WalkLists::find_starts() {
    size_t level = graph_.levels() - 1;
    while (level > 1 && graph_.population(level - 1) <= kFew) --level;
    if (graph_.population(level) > kFew) return;
    start_level_ = level;
    for (uint32_t rank = 0; rank < graph_.population(level); ++rank)
        if (upper(rank, level).count) starts_.push_back(rank);
}

void WalkLists::prefetch(uint32_t point) const {
    prefetch_row(ids_.data() + point * stride_, stride_ * sizeof(uint32_t));
}

void WalkLists::prefetch_upper(uint32_t rank, size_t level) const {
    if (rank >= graph_.population(level)) return;
    prefetch_row(upper_ids_.data() + slot(rank, level) * upper_stride_, upper_stride_ * sizeof(uint32_t));
}

}  // namespace edgeshard
