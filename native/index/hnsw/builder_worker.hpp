// What the parts of the builder share (builder.cpp, healer.cpp): scratch memory, and access to lists that others read.
#pragma once
#include "index/hnsw/builder.hpp"

namespace edgeshard {

// Numbers of a list that others read while it changes. Whoever reads a node there also sees the lists of that node, on
// processors that reorder accesses too. (The library that macOS came with had no std::atomic_ref before 2025.)
inline uint32_t read(const uint32_t& value) { return __atomic_load_n(&value, __ATOMIC_ACQUIRE); }
inline void write(uint32_t& place, uint32_t value) { __atomic_store_n(&place, value, __ATOMIC_RELEASE); }

// Of one thread.
struct Builder::Worker {
    Worker(const Space& space, bool on_codes) : scorer(space.scorer(on_codes)) {}
    std::unique_ptr<Scorer> scorer;
    Visited visited;
    Beam beam;
    std::vector<uint32_t> nodes, points, fresh_points;
    std::vector<float> sims;
    std::vector<Pick> found, kept;
    std::vector<Link> own;
};

}  // namespace edgeshard
