// From entries to points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace edgeshard::columns {

// mask[p] = some entry i with owners[i] = p has hits[i]. Owners of `count` or more belong to no point.
inline void spread_hits(const bool *hits, const uint32_t *owners, size_t entries, bool *mask, size_t count) {
  std::memset(mask, 0, count);
  const auto mark = [&](size_t i) {
    if (hits[i] && owners[i] < count)
      mask[owners[i]] = true;
  };
  size_t i = 0;
  for (; i + 8 <= entries; i += 8) {
    uint64_t block; // most blocks of eight entries have no hit
    std::memcpy(&block, hits + i, 8);
    if (block != 0)
      for (size_t j = i; j < i + 8; ++j)
        mark(j);
  }
  for (; i < entries; ++i)
    mark(i);
}

} // namespace edgeshard::columns
