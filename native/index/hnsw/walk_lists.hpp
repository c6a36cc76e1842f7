// The lists of a graph unpacked: those of level 0 at a fixed stride, those above one after the other.
//
// A walk asks for the list of every point that enters its beam. Where lists have different lengths, their place has to be
// read before it can be asked for, a cache miss of its own; here it follows from the point. Costs 4 m0 bytes per point, and
// above level 0 some 4 bytes per point at m = 16. Links behind the first m0, which only filtered walks follow, are left out.
#pragma once
#include <cstdint>
#include <vector>

#include "index/hnsw/graph.hpp"
#include "support/huge_buffer.hpp"

namespace edgeshard {

class WalkLists {
public:
    // The graph must stay.
    explicit WalkLists(const Graph& graph);

    // Whether all lists are whole; if not, do not use them: the walk over the graph says which one is damaged.
    bool usable() const { return usable_; }
    size_t size_bytes() const { return (ids_.capacity() + upper_ids_.size() + upper_starts_.size()) * sizeof(uint32_t); }

    List list(uint32_t point) const {
        const uint32_t* ids = ids_.data() + point * stride_;
        size_t count = stride_;
        while (count && ids[count - 1] == kNone) --count;
        return {ids, count, false};
    }
    void prefetch(uint32_t point) const;

    // The list of a point on a level above 0; empty if it is not on that level.
    List upper(uint32_t point, size_t level) const {
        const uint64_t rank = graph_.rank(point);
        if (rank >= graph_.population(level)) return {};
        const size_t slot = static_cast<size_t>(graph_.level_offsets[level] - graph_.level_offsets[1] + rank);
        return {upper_ids_.data() + upper_starts_[slot], upper_starts_[slot + 1] - upper_starts_[slot], false};
    }

private:
    void unpack_upper();

    const Graph& graph_;
    static constexpr uint32_t kNone = UINT32_MAX;  // behind the last link
    size_t stride_;
    bool usable_ = true;
    HugeBuffer<uint32_t> ids_;
    std::vector<uint32_t> upper_ids_, upper_starts_;  // one list per slot above level 0
};

}  // namespace edgeshard
