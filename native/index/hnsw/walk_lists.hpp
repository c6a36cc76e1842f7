// The level-0 lists of a graph at a fixed stride.
//
// A walk asks for the list of every point that enters its beam. Where lists have different lengths, their place has to be
// read before it can be asked for, a cache miss of its own; here it follows from the point. Costs 4 m0 bytes per point.
// Links behind the first m0, which only filtered walks follow, are left out.
#pragma once
#include <cstdint>

#include "index/hnsw/graph.hpp"
#include "support/huge_buffer.hpp"

namespace edgeshard {

class WalkLists {
public:
    explicit WalkLists(const Graph& graph);

    // Whether all lists are whole; if not, do not use them: the walk over the graph says which one is damaged.
    bool usable() const { return usable_; }
    size_t size_bytes() const { return ids_.capacity() * sizeof(uint32_t); }

    List list(uint32_t point) const {
        const uint32_t* ids = ids_.data() + point * stride_;
        size_t count = stride_;
        while (count && ids[count - 1] == kNone) --count;
        return {ids, count, false};
    }
    void prefetch(uint32_t point) const;

private:
    static constexpr uint32_t kNone = UINT32_MAX;  // behind the last link
    size_t stride_;
    bool usable_ = true;
    HugeBuffer<uint32_t> ids_;
};

}  // namespace edgeshard
