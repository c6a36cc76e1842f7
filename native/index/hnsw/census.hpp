// What tells a graph from one whose lists were overwritten with others that can be read: how its links hang together.
#pragma once
#include <cstdint>
#include <vector>

#include "index/hnsw/graph.hpp"

namespace edgeshard {

struct Census {
    std::vector<uint32_t> links;   // per point: on level 0
    std::vector<uint32_t> mutual;  // per point: of these, to points that link back
    // First point whose list of any level names a point twice, itself, or one without a list; -1 = none.
    int64_t repeated = -1, itself = -1, stranger = -1;
    int64_t misplaced = -1;  // first entry point that is not on the level it is said to be on, or has no list
};

// verify() must have found nothing. Takes 4 bytes a link for the time it runs.
Census take_census(const Graph& graph);

}  // namespace edgeshard
