#include "index/payload_keys.hpp"

#include <algorithm>

#include "support/load.hpp"

namespace edgeshard::payload {
namespace {

constexpr const char *past_end = "an entry reaches past the end of the file";
constexpr const char *overlapping = "its entries overlap";
constexpr const char *no_such_point = "it names a point the segment does not have";
constexpr size_t header_bytes = 40, block_head_bytes = 24, key_head_bytes = 12;

const char *mark(const MapFile::Values &values, bool *mask, size_t points) {
  for (uint32_t i = 0; i < values.count; ++i) {
    const auto point = load<uint32_t>(values.data + 4 * size_t(i));
    if (point >= points)
      return no_such_point;
    mask[point] = true;
  }
  return nullptr;
}

// Entries have their own place in a map file. A file where they share it could make a small file ask for any amount of
// time and memory, so what is read of them is counted.
class Reading {
public:
  explicit Reading(const MapFile &map) : left_(map.bytes()) {}

  // Whether that many keys and values can be in the file besides those before.
  bool fits(std::string_view key, const MapFile::Values &values) {
    const size_t bytes = key.size() + 4 * size_t(values.count);
    if (bytes > left_)
      return false;
    left_ -= bytes;
    return true;
  }

private:
  size_t left_;
};

bool contains(std::string_view text, std::string_view wanted) {
  return wanted.empty() || memmem(text.data(), text.size(), wanted.data(), wanted.size()) != nullptr;
}

// Keys as their kind is ordered: texts by bytes, integers and UUIDs by number.
bool before(KeyKind kind, std::string_view a, std::string_view b) {
  if (kind == KeyKind::text)
    return a < b;
  if (kind == KeyKind::integer)
    return load<int64_t>(a.data()) < load<int64_t>(b.data());
  const auto high = [](std::string_view key) { return load<uint64_t>(key.data() + 8); };
  return high(a) != high(b) ? high(a) < high(b) : load<uint64_t>(a.data()) < load<uint64_t>(b.data());
}

} // namespace

const char *PrefixIndex::open(std::string_view file) {
  constexpr std::string_view magic("QdrPrfx\0", 8);
  if (file.size() < header_bytes || file.substr(0, 8) != magic || load<uint32_t>(file.data() + 8) != 1)
    return "it is no prefix index of version 1";
  const auto keys = load<uint64_t>(file.data() + 16), blocks = load<uint64_t>(file.data() + 24);
  const auto list_bytes = load<uint64_t>(file.data() + 32);
  std::string_view rest = file.substr(header_bytes);
  if (list_bytes > rest.size() || blocks > list_bytes / block_head_bytes)
    return "the list of blocks reaches past its end";
  std::string_view list = rest.substr(0, size_t(list_bytes));
  rest.remove_prefix(size_t(list_bytes));
  blocks_.clear();
  blocks_.reserve(size_t(blocks));
  uint64_t total = 0;
  for (uint64_t i = 0; i < blocks; ++i) {
    if (list.size() < block_head_bytes)
      return "the list of blocks is cut short";
    const auto bytes = load<uint32_t>(list.data()), count = load<uint32_t>(list.data() + 4);
    const auto first_bytes = load<uint32_t>(list.data() + 8);
    list.remove_prefix(block_head_bytes);
    if (first_bytes > list.size() || bytes > rest.size())
      return "a block reaches past the end of the file";
    const Block block{list.substr(0, first_bytes), rest.substr(0, bytes), count};
    if (!blocks_.empty() && !(blocks_.back().first < block.first))
      return "its blocks are out of order";
    blocks_.push_back(block);
    total += count;
    list.remove_prefix(first_bytes);
    rest.remove_prefix(bytes);
  }
  if (total != keys)
    return "its blocks have another number of keys";
  keys_ = size_t(keys);
  return nullptr;
}

template <class Use> const char *PrefixIndex::each(std::string_view prefix, Use &&use) const {
  // The block before the first one that starts at the prefix or behind it may end with keys that have it.
  auto block = std::lower_bound(blocks_.begin(), blocks_.end(), prefix,
                                [](const Block &one, std::string_view wanted) { return one.first < wanted; });
  if (block != blocks_.begin())
    --block;
  std::string key;
  for (; block != blocks_.end(); ++block) {
    std::string_view bytes = block->bytes;
    key.clear();
    for (uint32_t i = 0; i < block->keys; ++i) {
      if (bytes.size() < key_head_bytes)
        return past_end;
      const auto shared = load<uint32_t>(bytes.data()), suffix = load<uint32_t>(bytes.data() + 4);
      bytes.remove_prefix(key_head_bytes);
      if (shared > key.size() || suffix > bytes.size())
        return past_end;
      key.resize(shared);
      key.append(bytes.substr(0, suffix));
      bytes.remove_prefix(suffix);
      const std::string_view start = std::string_view(key).substr(0, prefix.size());
      if (start > prefix)
        return nullptr;
      if (start != prefix)
        continue;
      if (const char *reason = use(std::string_view(key)))
        return reason;
    }
  }
  return nullptr;
}

const char *mark_matching(const MapFile &map, std::string_view wanted, bool anywhere, bool *mask, size_t points) {
  Reading reading(map);
  for (size_t bucket = 0; bucket < map.size(); ++bucket) {
    const auto entry = map.entry(bucket);
    if (!entry)
      return past_end;
    if (!reading.fits(entry->first, entry->second))
      return overlapping;
    if (anywhere ? !contains(entry->first, wanted) : !entry->first.starts_with(wanted))
      continue;
    if (const char *reason = mark(entry->second, mask, points))
      return reason;
  }
  return nullptr;
}

const char *mark_with_prefix(const MapFile &map, const PrefixIndex &index, std::string_view prefix, bool *mask,
                             size_t points) {
  Reading reading(map);
  return index.each(prefix, [&](std::string_view key) -> const char * {
    const auto values = map.find(key);
    if (!values)
      return past_end;
    if (values->count == 0)
      return "it lists a key that is not in the map";
    return reading.fits(key, *values) ? payload::mark(*values, mask, points) : "it lists a key twice";
  });
}

const char *group_keys(const MapFile &map, size_t points, KeyGroups &groups) {
  std::vector<std::pair<std::string_view, MapFile::Values>> entries;
  entries.reserve(map.size());
  size_t values = 0;
  Reading reading(map);
  for (size_t bucket = 0; bucket < map.size(); ++bucket) {
    const auto entry = map.entry(bucket);
    if (!entry)
      return past_end;
    entries.push_back(*entry);
    values += entry->second.count;
    if (!reading.fits(entry->first, entry->second))
      return overlapping;
  }
  std::sort(entries.begin(), entries.end(),
            [&](const auto &a, const auto &b) { return before(map.kind(), a.first, b.first); });
  groups.bounds.assign(1, 0);
  groups.owners.reserve(values);
  groups.numbers.reserve(values);
  for (size_t number = 0; number < entries.size(); ++number) {
    const auto &[key, found] = entries[number];
    groups.data.insert(groups.data.end(), key.begin(), key.end());
    groups.bounds.push_back(int64_t(groups.data.size()));
    for (uint32_t i = 0; i < found.count; ++i) {
      const auto point = load<uint32_t>(found.data + 4 * size_t(i));
      if (point >= points)
        return no_such_point;
      groups.owners.push_back(point);
      groups.numbers.push_back(uint32_t(number));
    }
  }
  return nullptr;
}

} // namespace edgeshard::payload
