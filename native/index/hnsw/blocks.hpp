// Extra links for filtered search: a level-0 graph inside every block of points (the points of one value of a payload
// field), whose links are appended to those of the main graph. A walk that may only step on the points of the block
// then stays connected.
#pragma once
#include <vector>

#include "index/hnsw/builder.hpp"

namespace edgeshard {

struct BlockLinks {
    std::vector<std::vector<uint32_t>> links;  // per point, without those the main graph has on level 0
    std::vector<EntryPoint> entries;           // one per block that got a graph
};

// Blocks of more than `largest` points are skipped (0 = no limit): there the main graph is dense enough. Points that are
// not alive (alive[p] == 0) are left out.
BlockLinks build_blocks(const Space& space, const std::vector<std::vector<uint32_t>>& blocks, const Graph* main,
                        const std::vector<uint8_t>& alive, size_t largest, BuildOptions options);

// The limit Qdrant uses: 4 * points / mean number of level-0 links.
size_t largest_block(const Graph& graph, size_t points);

}  // namespace edgeshard
