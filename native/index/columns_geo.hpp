// Geo conditions over columns of longitudes and latitudes in degrees; NaN where an entry is no place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgeshard::columns {

inline constexpr double earth_radius_metres = 6371008.8;

struct Coordinates {
  const double *lons;
  const double *lats;
  size_t count;
};

// Points of the unit sphere.
struct UnitVectors {
  const double *x, *y, *z;
};

// The places as points of the unit sphere: units has all x, then all y, then all z.
void unit_vectors(const Coordinates &places, double *units);

// out[i] = metres (great circle, haversine formula) from a place; NaN where rounding leaves the domain of the arc sine.
void distances(const Coordinates &places, double lon, double lat, double *out);

// out[i] = place i is less than `radius` metres (great circle, haversine formula) from the centre. Places are compared
// by their straight-line distance; only those within rounding of the limit go through the formula.
void within_radius(const Coordinates &places, const UnitVectors &units, double lon, double lat, double radius,
                   uint8_t *out);

struct Ring {
  std::vector<double> lons;
  std::vector<double> lats; // closed: first = last
};

enum Inside : uint8_t { inside_no = 0, inside_yes = 1, inside_unclear = 2 };

// out[i] = whether place i is inside of the first ring and of none of the others, boundaries excluded (winding
// number, planar). Unclear where the sign of a determinant is lost in rounding: the place is on or next to an edge.
void within_polygon(const Coordinates &places, const std::vector<Ring> &rings, uint8_t *out);

} // namespace edgeshard::columns
