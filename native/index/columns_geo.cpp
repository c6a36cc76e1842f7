#include "index/columns_geo.hpp"

#include <algorithm>
#include <bit>
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
  double *x = units, *y = units + places.count, *z = units + 2 * places.count;
  for (size_t i = 0; i < places.count; ++i) {
    const double lon = places.lons[i] * radians_per_degree, lat = places.lats[i] * radians_per_degree;
    x[i] = std::cos(lat) * std::cos(lon);
    y[i] = std::cos(lat) * std::sin(lon);
    z[i] = std::sin(lat);
  }
}

namespace {

struct Vector {
  double x, y, z;
};

// A quarter of the squared chord is the haversine: share = sin(d / 2R)^2 = |a - b|^2 / 4.
double share_of(const Vector &a, double x, double y, double z) {
  const double dx = x - a.x, dy = y - a.y, dz = z - a.z;
  return (dx * dx + dy * dy + dz * dz) / 4.0;
}

constexpr double doubt = 1e-12; // far above the rounding of shares

bool is_doubtful(double share, double limit) { return !(std::abs(share - limit) > doubt && share < 1.0 - doubt); }

// below[i] = share i is below the limit; whether any of them is doubtful. Without branches and comparisons of doubles, of
// which compilers make no vector instructions here: numbers without a sign are in the order of their bits.
bool shares_below(const double *x, const double *y, const double *z, size_t count, const Vector centre, double limit,
                  uint8_t *below) {
  const int64_t near = std::bit_cast<int64_t>(doubt) + 1, far = std::bit_cast<int64_t>(1.0 - doubt) - 1;
  int64_t doubtful = 0;
  for (size_t i = 0; i < count; ++i) {
    const double share = share_of(centre, x[i], y[i], z[i]);
    const uint64_t difference = std::bit_cast<uint64_t>(share - limit);
    below[i] = uint8_t(difference >> 63);
    doubtful |= (int64_t(difference & INT64_MAX) - near) | (far - std::bit_cast<int64_t>(share));
  }
  return doubtful < 0;
}

} // namespace

void distances(const Coordinates &places, double lon, double lat, double *out) {
  for (size_t i = 0; i < places.count; ++i)
    out[i] = haversine_metres(lon, lat, places.lons[i], places.lats[i]);
}

void within_radius(const Coordinates &places, const UnitVectors &units, double lon, double lat, double radius,
                   uint8_t *out) {
  std::fill(out, out + places.count, 0);
  if (!(radius > 0))
    return;
  Vector centre;
  unit_vectors({&lon, &lat, 1}, &centre.x);
  const double half_angle = radius / (2.0 * earth_radius_metres);
  const double limit = half_angle >= 1.5707963267948966 ? 2.0 : std::sin(half_angle) * std::sin(half_angle);
  constexpr size_t block = 256;
  for (size_t from = 0; from < places.count; from += block) {
    const size_t count = std::min(block, places.count - from);
    const double *x = units.x + from, *y = units.y + from, *z = units.z + from;
    if (!shares_below(x, y, z, count, centre, limit, out + from))
      continue;
    for (size_t i = 0; i < count; ++i)
      if (is_doubtful(share_of(centre, x[i], y[i], z[i]), limit))
        out[from + i] = haversine_metres(lon, lat, places.lons[from + i], places.lats[from + i]) < radius;
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
