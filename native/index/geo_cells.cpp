#include "index/geo_cells.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "support/load.hpp"

namespace edgeshard::payload {
namespace {

uint64_t hash_at(const CellTable &table, size_t i) { return load<uint64_t>(table.cells + i * cell_bytes); }
uint32_t begin_at(const CellTable &table, size_t i) { return load<uint32_t>(table.cells + i * cell_bytes + 8); }
uint32_t end_at(const CellTable &table, size_t i) { return load<uint32_t>(table.cells + i * cell_bytes + 12); }

constexpr int code_bits = 30;
constexpr uint64_t last_code = (uint64_t(1) << code_bits) - 1;
constexpr int length_bits = 4;
// A box is covered by no more cells; smaller ones would follow it closer, and take longer to look up.
constexpr uint64_t most_cells = 32;
// Degrees below an upper end of the globe where rounding may lead to the code of the lower end.
constexpr double edge = 1e-9;

struct Range {
  uint64_t low, high;
};

// The code of a longitude (span 360) or latitude (span 180): mantissa bits of the number scaled to [1, 2).
uint64_t code_of(double value, double span) {
  return std::bit_cast<uint64_t>(value / span + 1.5) >> (52 - code_bits) & last_code;
}

// Codes from one place to another on an axis; the upper end of the globe has the code of the lower one.
std::vector<Range> codes_between(double low, double high, double span) {
  const double end = span / 2 - edge;
  if (high < end)
    return {{code_of(low, span), code_of(high, span)}};
  return {{low < end ? code_of(low, span) : last_code, last_code}, {0, 0}};
}

// A zero before each bit (Morton coding).
uint64_t spread(uint64_t code) {
  constexpr std::pair<int, uint64_t> steps[] = {{16, 0x0000FFFF0000FFFF},
                                                {8, 0x00FF00FF00FF00FF},
                                                {4, 0x0F0F0F0F0F0F0F0F},
                                                {2, 0x3333333333333333},
                                                {1, 0x5555555555555555}};
  for (const auto &[shift, mask] : steps)
    code = (code | code << shift) & mask;
  return code;
}

// The cells of one size, as small as their number allows, that cover codes on both axes.
void cover(const Range &columns, const Range &rows, std::vector<Range> &found) {
  const auto width = [](const Range &range, int cut) { return (range.high >> cut) - (range.low >> cut) + 1; };
  int cut = 0;
  while (width(columns, cut) * width(rows, cut) > most_cells)
    ++cut;
  const int shift = 2 * cut + length_bits;
  for (uint64_t x = columns.low >> cut; x <= columns.high >> cut; ++x)
    for (uint64_t y = rows.low >> cut; y <= rows.high >> cut; ++y) {
      const uint64_t first = (spread(x) << 1 | spread(y)) << shift;
      found.push_back({first, first | ((uint64_t(1) << shift) - 1)});
    }
}

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

CellRanges cover_boxes(const std::vector<GeoBox> &boxes) {
  std::vector<Range> found;
  for (const GeoBox &box : boxes)
    for (const Range &columns : codes_between(box.west, box.east, 360))
      for (const Range &rows : codes_between(box.south, box.north, 180))
        cover(columns, rows, found);
  std::sort(found.begin(), found.end(), [](const Range &a, const Range &b) { return a.low < b.low; });
  CellRanges joined;
  for (const Range &range : found) {
    if (!joined.lasts.empty() && (range.low <= joined.lasts.back() || range.low - joined.lasts.back() == 1)) {
      joined.lasts.back() = std::max(joined.lasts.back(), range.high);
      continue;
    }
    joined.firsts.push_back(range.low);
    joined.lasts.push_back(range.high);
  }
  return joined;
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

PointPlaces places_of(const PlaceTable &table, const std::vector<uint32_t> &points) {
  PointPlaces found;
  for (size_t i = 0; i < points.size(); ++i)
    for (int64_t at = table.starts[points[i]]; at < table.starts[points[i] + 1]; ++at) {
      found.numbers.push_back(uint32_t(i));
      found.lons.push_back(table.places[2 * at]);
      found.lats.push_back(table.places[2 * at + 1]);
    }
  return found;
}

} // namespace edgeshard::payload
