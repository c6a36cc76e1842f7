// points_map.bin of immutable geo indexes: which points lie in the cells of a grid, by packed geohash.
// Layout: docs/format/payload-index.md. A cell is u64 hash, u32 begin, u32 end of its points in points_map_ids.bin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace edgeshard::payload {

constexpr size_t cell_bytes = 16;

struct CellTable {
  const char *cells;
  size_t count;
  const char *ids; // little-endian u32, unaligned
  size_t ids_count;
};

// Null, or what is wrong: cells ascend, their points follow one another, and no id reaches `points`.
const char *check_cells(const CellTable &table, size_t points);

// Degrees; west is not beyond east.
struct GeoBox {
  double west, south, east, north;
};

// Ranges of packed geohashes that hold every place inside of some boxes, in order and apart from each other.
struct CellRanges {
  std::vector<uint64_t> firsts;
  std::vector<uint64_t> lasts;
};
CellRanges cover_boxes(const std::vector<GeoBox> &boxes);

// The points of all cells from firsts[i] to lasts[i], in no order, repeated ones included; nothing if they are more than
// `most`. The table is a checked one.
std::optional<std::vector<uint32_t>> cell_points(const CellTable &table, const uint64_t *firsts, const uint64_t *lasts,
                                                 size_t ranges, size_t most);

// The places of points: those of point p are pairs of longitude and latitude from starts[p] to starts[p + 1].
struct PlaceTable {
  const int64_t *starts; // ascending, from 0 to their number
  const double *places;
};

// The places of some points, which `starts` has, and which of the points each belongs to.
struct PointPlaces {
  std::vector<uint32_t> numbers;
  std::vector<double> lons;
  std::vector<double> lats;
};
PointPlaces places_of(const PlaceTable &table, const std::vector<uint32_t> &points);

} // namespace edgeshard::payload
