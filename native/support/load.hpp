// Numbers at any address. What is on disk is little-endian, as are the machines this runs on.
#pragma once
#include <bit>
#include <cstring>

namespace edgeshard {

static_assert(std::endian::native == std::endian::little, "files are read as they are");

// With internal linkage: no code compiled for an instruction set can be picked by the linker for the baseline.
template <class T>
static inline T load(const void* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

}  // namespace edgeshard
