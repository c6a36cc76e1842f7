// What is asked of many keys of a map file at once, and the file that lists its texts in order.
// Layouts: docs/format/payload-index.md. Functions return null or what is wrong with a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "index/payload_mph.hpp"

namespace edgeshard::payload {

// prefix_index.bin in memory. Every access is checked against the size of the file.
class PrefixIndex {
public:
  const char *open(std::string_view file);

  // Keys of all blocks.
  size_t size() const { return keys_; }
  // Calls use(key) for the keys with a prefix, in order, until it returns something that is wrong.
  template <class Use> const char *each(std::string_view prefix, Use &&use) const;

private:
  struct Block {
    std::string_view first; // key
    std::string_view bytes;
    uint32_t keys;
  };

  std::vector<Block> blocks_;
  size_t keys_ = 0;
};

// mask[point] = true for the points of all texts that have `wanted` at their start, or anywhere.
const char *mark_matching(const MapFile &map, std::string_view wanted, bool anywhere, bool *mask, size_t points);

// The same for texts with a prefix, which the index names.
const char *mark_with_prefix(const MapFile &map, const PrefixIndex &index, std::string_view prefix, bool *mask,
                             size_t points);

// All keys in ascending order, back to back, and the values of each: pairs of a point and the number of its key.
struct KeyGroups {
  std::vector<uint8_t> data;
  std::vector<int64_t> bounds;
  std::vector<uint32_t> owners;
  std::vector<uint32_t> numbers;
};
const char *group_keys(const MapFile &map, size_t points, KeyGroups &groups);

} // namespace edgeshard::payload
