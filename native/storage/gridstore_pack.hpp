// Values coded one after the other for a store that is written in one go.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/gridstore.hpp"

namespace edgeshard {

// Appends every value to `out`, each at a multiple of `block_bytes` (the rest of a block is zero), and its
// stored length to `lengths`; a value without data gets length 0 and takes no room. Returns the index of a value
// that is too large to store, else n.
size_t pack_values(const GridConfig &config, const ByteView *values, size_t n, std::vector<uint8_t> &out,
                   uint32_t *lengths);

}  // namespace edgeshard
