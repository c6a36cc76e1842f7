#include "index/hnsw/walk_lists.hpp"

#include <algorithm>

#include "kernels/prefetch.hpp"

namespace edgeshard {

WalkLists::WalkLists(const Graph& graph) : stride_(graph.m0) {
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
}

void WalkLists::prefetch(uint32_t point) const {
    prefetch_row(ids_.data() + point * stride_, stride_ * sizeof(uint32_t));
}

}  // namespace edgeshard
