// Geo cells of immutable payload indexes, mapped by Python, and the places of the points in them.
#include "bind/gil.hpp"
#include "bind/register.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <vector>

#include "bind/owned.hpp"
#include "bind/payload_args.hpp"
#include "index/geo_cells.hpp"
#include "kernels/offsets.hpp"

using namespace edgeshard;
using namespace edgeshard::payload;
using namespace edgeshard::bind;

namespace {

// Checked files and the memory they lie in.
class GeoPlaces {
public:
  GeoPlaces(Array<uint8_t> cells, Array<uint8_t> ids, Array<int64_t> starts, Array<double> places, size_t points)
      : cells_(std::move(cells)), ids_(std::move(ids)), starts_(std::move(starts)), places_(std::move(places)),
        points_(points) {
    if (cells_.size() % cell_bytes || ids_.size() % 4)
      throw nb::value_error("it is no whole number of cells, or of their points");
    const int64_t *first = starts_.data(), *end = first + starts_.size();
    if (starts_.size() == 0 || places_.size() % 2 || *first != 0 || !std::is_sorted(first, end) ||
        end[-1] != int64_t(places_.size() / 2))
      throw nb::value_error("the places of the points do not follow one another");
    const char *reason = nullptr;
    {
      GilRelease release;
      reason = check_cells(table(), points);
    }
    if (reason != nullptr)
      throw nb::value_error(reason);
  }

  // (points, numbers, lons, lats): the points of ranges of cells, ascending, each once; their places, and which of the
  // points each belongs to. None if the cells list more than `most` points.
  nb::object near(Array<uint64_t> firsts, Array<uint64_t> lasts, size_t most) const {
    if (firsts.size() != lasts.size())
      throw nb::value_error("lasts: expected as many as firsts");
    std::optional<std::vector<uint32_t>> found;
    PointPlaces values;
    {
      GilRelease release;
      found = cell_points(table(), firsts.data(), lasts.data(), firsts.size(), most);
      if (found) {
        found = distinct_offsets(std::move(*found), std::min(points_, starts_.size() - 1));
        values = places_of({starts_.data(), places_.data()}, *found);
      }
    }
    if (!found)
      return nb::none();
    return nb::make_tuple(owned_array(std::move(*found)), owned_array(std::move(values.numbers)),
                          owned_array(std::move(values.lons)), owned_array(std::move(values.lats)));
  }

private:
  CellTable table() const {
    return {reinterpret_cast<const char *>(cells_.data()), cells_.size() / cell_bytes,
            reinterpret_cast<const char *>(ids_.data()), ids_.size() / 4};
  }

  Array<uint8_t> cells_, ids_;
  Array<int64_t> starts_;
  Array<double> places_;
  size_t points_;
};

nb::tuple cover_boxes_of(const std::vector<std::tuple<double, double, double, double>> &boxes) {
  std::vector<GeoBox> plain;
  for (const auto &[west, south, east, north] : boxes) {
    if (!(west >= -180 && west <= east && east <= 180 && south >= -90 && south <= north && north <= 90))
      throw nb::value_error("boxes: expected west, south, east, north on the globe");
    plain.push_back({west, south, east, north});
  }
  CellRanges found = cover_boxes(plain);
  return nb::make_tuple(owned_array(std::move(found.firsts)), owned_array(std::move(found.lasts)));
}

} // namespace

void register_geo_places(nb::module_ &m) {
  nb::class_<GeoPlaces>(m, "GeoPlaces")
      .def(nb::init<Array<uint8_t>, Array<uint8_t>, Array<int64_t>, Array<double>, size_t>(), nb::arg("cells"),
           nb::arg("ids"), nb::arg("starts"), nb::arg("places"), nb::arg("points"))
      .def("near", &GeoPlaces::near, nb::arg("firsts"), nb::arg("lasts"), nb::arg("most"));
  m.def("cover_boxes", &cover_boxes_of, nb::arg("boxes"),
        "(firsts u64, lasts u64): ranges of geohashes that hold every place in boxes of west, south, east and north.");
}
