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
    if (graph_.levels() < 2) return;
    points_.assign(graph_.population(1), kNone);
    for (uint32_t point = 0; point < graph_.points; ++point)
        if (graph_.rank(point) < points_.size()) points_[graph_.rank(point)] = point;
    upper_stride_ = graph_.m;
    upper_ids_.assign((graph_.level_offsets.back() - graph_.level_offsets[1]) * upper_stride_, kNone);
    Graph::Scratch scratch;
    for (size_t level = 1; level < graph_.levels() && usable_; ++level)
        for (uint32_t rank = 0; rank < graph_.population(level) && usable_; ++rank) {
            const List list = points_[rank] == kNone ? List{nullptr, 0, true} : graph_.list(points_[rank], level, scratch);
            usable_ = !list.damaged && list.count <= upper_stride_;
            uint32_t* out = upper_ids_.data() + slot(rank, level) * upper_stride_;
            for (size_t i = 0; i < list.count && usable_; ++i) {
                out[i] = graph_.rank(list.ids[i]);
                usable_ = out[i] < graph_.population(level);
            }
        }
}

void WalkLists::prefetch(uint32_t point) const {
    prefetch_row(ids_.data() + point * stride_, stride_ * sizeof(uint32_t));
}

void WalkLists::prefetch_upper(uint32_t rank, size_t level) const {
    if (rank >= graph_.population(level)) return;
    prefetch_row(upper_ids_.data() + slot(rank, level) * upper_stride_, upper_stride_ * sizeof(uint32_t));
}

}  // namespace edgeshard
