#include "index/hnsw/walk_lists.hpp"

#include <algorithm>

#include "kernels/prefetch.hpp"

namespace edgeshard {

WalkLists::WalkLists(const Graph& graph) : graph_(graph), stride_(graph.m0) {
    if (!stride_) {  // a graph of links inside blocks only
        usable_ = false;
        return;
    }
    ids_.reserve(std::max<size_t>(graph.points * stride_, 1));
    Graph::Scratch scratch;
    for (uint32_t point = 0; point < graph.points; ++point) {
        const List list = graph.list(point, 0, scratch);
        usable_ = usable_ && !list.damaged;
        uint32_t* out = ids_.data() + point * stride_;
        const size_t count = std::min(list.count, stride_);
        std::copy_n(list.ids, count, out);
        std::fill(out + count, out + stride_, kNone);
    }
    if (usable_) unpack_upper();
}

void WalkLists::unpack_upper() {
    upper_starts_.assign(1, 0);
    if (graph_.levels() < 2) return;
    std::vector<uint32_t> ranked(graph_.population(1), kNone);
    for (uint32_t point = 0; point < graph_.points; ++point)
        if (graph_.rank(point) < ranked.size()) ranked[graph_.rank(point)] = point;
    Graph::Scratch scratch;
    for (size_t level = 1; level < graph_.levels(); ++level)
        for (uint64_t rank = 0; rank < graph_.population(level); ++rank) {
            const uint32_t point = rank < ranked.size() ? ranked[rank] : kNone;
            const List list = point == kNone ? List{nullptr, 0, true} : graph_.list(point, level, scratch);
            usable_ = usable_ && !list.damaged;
            upper_ids_.insert(upper_ids_.end(), list.ids, list.ids + list.count);
            upper_starts_.push_back(static_cast<uint32_t>(upper_ids_.size()));
        }
}

void WalkLists::prefetch(uint32_t point) const {
    prefetch_row(ids_.data() + point * stride_, stride_ * sizeof(uint32_t));
}

}  // namespace edgeshard
