// Qdrant's file of a map from keys to lists of numbers, found through a minimal perfect hash (fmph over wyhash 1).
// Layout: docs/format/payload-index.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edgeshard::payload {

enum class KeyKind : int { text = 0, integer = 1, uuid = 2 };

// Keys back to back: key i is data[bounds[i]..bounds[i + 1]); 8 bytes of an integer, 16 of a UUID, UTF-8 of a text.
struct Keys {
  KeyKind kind;
  const char *data;
  const int64_t *bounds;
  size_t count;

  std::string_view operator[](size_t i) const { return {data + bounds[i], size_t(bounds[i + 1] - bounds[i])}; }
};

// The whole file: key i maps to values[value_bounds[i]..value_bounds[i + 1]). Keys are distinct.
// Empty if the hash function cannot be built (it gives up after ten levels that place no key).
std::string build_map(const Keys &keys, const int64_t *value_bounds, const uint32_t *values);

// A map file in memory. Every access is checked against the size of the file.
class MapFile {
public:
  struct Values {
    const char *data = nullptr; // little-endian u32, unaligned
    uint32_t count = 0;
  };

  // Null or what is wrong with the file.
  const char *open(std::string_view file);

  size_t size() const { return count_; }
  size_t bytes() const { return file_.size(); }
  KeyKind kind() const { return kind_; }
  // The values of a key (none if it is unknown); nothing if the file is damaged.
  std::optional<Values> find(std::string_view key) const;
  // Key and values of a bucket; nothing if the file is damaged.
  std::optional<std::pair<std::string_view, Values>> entry(size_t bucket) const;

private:
  std::optional<size_t> bucket_of(std::string_view key) const;

  std::string_view file_;
  KeyKind kind_ = KeyKind::text;
  size_t buckets_at_ = 0;
  size_t count_ = 0;
  std::vector<uint64_t> level_words_;
  std::vector<uint64_t> bits_;
  std::vector<uint32_t> ranks_; // set bits before each word
};

// prefix_index.bin: texts in ascending order, front-coded in blocks, with how many points each has.
std::string build_prefix_index(const Keys &keys, const uint32_t *counts);

} // namespace edgeshard::payload
