// What the parts of the builder share (builder.cpp, healer.cpp): scratch memory, and access to lists that others read.
#pragma once
#include <atomic>

#include "index/hnsw/builder.hpp"

namespace edgeshard {

template <class T>
T read(const T& value) {  // of a list that another thread may be changing
    return std::atomic_ref<T>(const_cast<T&>(value)).load(std::memory_order_relaxed);
}
template <class T>
void write(T& place, T value) {
    std::atomic_ref<T>(place).store(value, std::memory_order_relaxed);
}

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
