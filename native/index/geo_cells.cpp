#include "index/geo_cells.hpp"

#include <cstring>

namespace edgeshard::payload {
namespace {

template <class T> T load(const char *at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

uint64_t hash_at(const CellTable &table, size_t i) { return load<uint64_t>(table.cells + i * cell_bytes); }
uint32_t begin_at(const CellTable &table, size_t i) { return load<uint32_t>(table.cells + i * cell_bytes + 8); }
uint32_t end_at(const CellTable &table, size_t i) { return load<uint32_t>(table.cells + i * cell_bytes + 12); }

// The first cell that is not before `hash`.
size_t place_of(const CellTable &table, uint64_t hash) {
  size_t low = 0, high = table.count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (hash_at(table, middle) < hash)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

} // namespace

const char *check_cells(const CellTable &table, size_t points) {
  uint32_t next = 0;
  for (size_t i = 0; i < table.count; ++i) {
    if (i > 0 && hash_at(table, i) <= hash_at(table, i - 1))
      return "its cells are out of order";
    if (begin_at(table, i) != next || end_at(table, i) < next)
      return "the points of its cells do not follow one another";
    next = end_at(table, i);
  }
  if (next != table.ids_count)
    return "its cells have another number of points than there are";
  for (size_t i = 0; i < table.ids_count; ++i)
    if (load<uint32_t>(table.ids + 4 * i) >= points)
      return "a cell has a point that the segment does not have";
  return nullptr;
}

std::optional<std::vector<uint32_t>> cell_points(const CellTable &table, const uint64_t *firsts, const uint64_t *lasts,
                                                 size_t ranges, size_t most) {
  std::vector<uint32_t> points;
  for (size_t i = 0; i < ranges; ++i) {
    const size_t cell = place_of(table, firsts[i]);
    const size_t past = lasts[i] == UINT64_MAX ? table.count : place_of(table, lasts[i] + 1);
    if (cell >= past)
      continue;
    const size_t begin = begin_at(table, cell), count = end_at(table, past - 1) - begin;
    if (count > most - points.size() || begin + count > table.ids_count)
      return std::nullopt;
    points.resize(points.size() + count);
    std::memcpy(points.data() + points.size() - count, table.ids + 4 * begin, 4 * count);
  }
  return points;
}

} // namespace edgeshard::payload
