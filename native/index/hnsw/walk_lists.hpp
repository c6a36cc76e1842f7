// The lists of a graph unpacked, at fixed strides.
//
// A walk asks for the list of every point that enters its beam. Where lists have different lengths, their place has to be
// read before it can be asked for, a cache miss of its own; here it follows from the point. Above level 0 it follows from
// the rank of a point, and lists hold ranks instead of points: the few that are there lie close together. Costs 4 m0 bytes
// per point, and above level 0 some 5 bytes per point at m = 16. Links behind the first m0, which only filtered walks
// follow, are left out.
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

    // Whether all lists are whole and unpacking was worth the memory; if not, do not use them: the walk over the graph says
    // which one is damaged.
    bool usable() const { return usable_; }
    // Links of level 0 of a point at most.
    size_t stride() const { return stride_; }
    size_t size_bytes() const { return (ids_.capacity() + points_.size() + upper_ids_.size()) * sizeof(uint32_t); }

    List list(uint32_t point) const {
        const uint32_t* ids = ids_.data() + point * stride_;
        size_t count = stride_;
        while (count && ids[count - 1] == kNone) --count;
        return {ids, count, false};
    }
    void prefetch(uint32_t point) const;

    // Points above level 0, whose ranks are below this.
    size_t ranks() const { return points_.size(); }
    uint32_t rank(uint32_t point) const { return graph_.rank(point); }
    uint32_t point(uint32_t rank) const { return points_[rank]; }
    // The list, of ranks, of a point on a level above 0; empty if it is not on that level.
    List upper(uint32_t rank, size_t level) const {
        if (rank >= graph_.population(level)) return {};
        const uint32_t* ids = upper_ids_.data() + slot(rank, level) * upper_stride_;
        size_t count = upper_stride_;
        while (count && ids[count - 1] == kNone) --count;
        return {ids, count, false};
    }
    void prefetch_upper(uint32_t rank, size_t level) const;
    // The points of the lowest level that has few, by rank: comparing them all takes less than a walk from the entry point
    // to that level, and misses none. Only those with links: others lead nowhere.
    const std::vector<uint32_t>& starts() const { return starts_; }
    size_t start_level() const { return start_level_; }

private:
    void unpack_level0();
    void unpack_upper();
    void find_starts();
    size_t slot(uint32_t rank, size_t level) const {
        return static_cast<size_t>(graph_.level_offsets[level] - graph_.level_offsets[1]) + rank;
    }

    const Graph& graph_;
    static constexpr uint32_t kNone = UINT32_MAX;  // behind the last link
    size_t stride_, upper_stride_ = 0;
    bool usable_ = true;
    HugeBuffer<uint32_t> ids_;
    std::vector<uint32_t> points_;     // by rank, those above level 0
    std::vector<uint32_t> starts_;
    size_t start_level_ = 0;
    std::vector<uint32_t> upper_ids_;  // one list of ranks per slot above level 0
};

}  // namespace edgeshard
