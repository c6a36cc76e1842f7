#include "index/columns_geo.hpp"

#include <algorithm>
#include <cmath>

namespace edgeshard::columns {
namespace {

constexpr double radians_per_degree = 3.14159265358979323846 / 180.0;

double haversine_metres(double lon1, double lat1, double lon2, double lat2) {
  const double half_lat = std::sin((lat2 - lat1) * radians_per_degree / 2.0);
  const double half_lon = std::sin((lon2 - lon1) * radians_per_degree / 2.0);
  const double share = half_lat * half_lat + std::cos(lat1 * radians_per_degree) * std::cos(lat2 * radians_per_degree) *
                                                 half_lon * half_lon;
  return earth_radius_metres * 2.0 * std::asin(std::sqrt(share));
}

// Above this share of the sum of magnitudes the sign of a 2x2 determinant of differences is certain
// (Shewchuk 1997, "Adaptive Precision Floating-Point Arithmetic").
constexpr double orientation_error = (3.0 + 16.0 * 0x1p-53) * 0x1p-53;

enum class Position { outside, inside, unclear };

Position position_in(const Ring &ring, double x, double y) {
  int winding = 0;
  for (size_t i = 0; i + 1 < ring.lons.size(); ++i) {
    const double x1 = ring.lons[i], y1 = ring.lats[i], x2 = ring.lons[i + 1], y2 = ring.lats[i + 1];
    const bool up = y1 <= y;
    if (up ? y2 < y : y2 > y)
      continue; // the edge is wholly below or above
    const double left = (x1 - x) * (y2 - y), right = (y1 - y) * (x2 - x), side = left - right;
    if (!(std::abs(side) > orientation_error * (std::abs(left) + std::abs(right))))
      return Position::unclear;
    if (up)
      winding += side > 0 && y2 != y;
    else
      winding -= side < 0;
  }
  return winding == 0 ? Position::outside : Position::inside;
}

Inside inside_of(const std::vector<Ring> &rings, double x, double y) {
  bool unclear = false;
  for (size_t r = 0; r < rings.size(); ++r) {
    const Position position = position_in(rings[r], x, y);
    unclear |= position == Position::unclear;
    if (position == (r == 0 ? Position::outside : Position::inside))
      return inside_no;
  }
  return unclear ? inside_unclear : inside_yes;
}

} // namespace

void unit_vectors(const Coordinates &places, double *units) {
  for (size_t i = 0; i < places.count; ++i) {
    const double lon = places.lons[i] * radians_per_degree, lat = places.lats[i] * radians_per_degree;
    units[3 * i] = std::cos(lat) * std::cos(lon);
    units[3 * i + 1] = std::cos(lat) * std::sin(lon);
    units[3 * i + 2] = std::sin(lat);
  }
}

void within_radius(const Coordinates &places, const double *units, double lon, double lat, double radius, bool *out) {
  std::fill(out, out + places.count, false);
  if (!(radius > 0))
    return;
  double centre[3];
  unit_vectors({&lon, &lat, 1}, centre);
  // A quarter of the squared chord is the haversine: share = sin(d / 2R)^2 = |a - b|^2 / 4.
  const double half_angle = radius / (2.0 * earth_radius_metres);
  const double limit = half_angle >= 1.5707963267948966 ? 2.0 : std::sin(half_angle) * std::sin(half_angle);
  const double doubt = 1e-12; // far above the rounding of either side
  for (size_t i = 0; i < places.count; ++i) {
    const double dx = units[3 * i] - centre[0], dy = units[3 * i + 1] - centre[1], dz = units[3 * i + 2] - centre[2];
    const double share = (dx * dx + dy * dy + dz * dz) / 4.0;
    if (std::abs(share - limit) > doubt && share < 1.0 - doubt)
      out[i] = share < limit;
    else if (share == share)
      out[i] = haversine_metres(lon, lat, places.lons[i], places.lats[i]) < radius;
  }
}

void within_polygon(const Coordinates &places, const std::vector<Ring> &rings, uint8_t *out) {
  const Ring &exterior = rings.front();
  const auto [west, east] = std::minmax_element(exterior.lons.begin(), exterior.lons.end());
  const auto [south, north] = std::minmax_element(exterior.lats.begin(), exterior.lats.end());
  const double left = *west, right = *east, bottom = *south, top = *north;
  for (size_t i = 0; i < places.count; ++i) {
    const double x = places.lons[i], y = places.lats[i];
    const bool near = x >= left && x <= right && y >= bottom && y <= top;
    out[i] = near ? inside_of(rings, x, y) : uint8_t(inside_no);
  }
}

} // namespace edgeshard::columns
