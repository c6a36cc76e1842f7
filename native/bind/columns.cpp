// Payload columns: what filters read instead of payloads.
#include "bind/gil.hpp"
#include "bind/register.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>

#include "bind/owned.hpp"
#include "codec/datetimes.hpp"
#include "codec/json_select.hpp"
#include "index/columns_extract.hpp"
#include "index/columns_geo.hpp"
#include "index/columns_masks.hpp"
#include "index/columns_slice.hpp"
#include "index/value_counts.hpp"

namespace {

using namespace edgeshard;
using namespace edgeshard::columns;
using edgeshard::bind::owned_array;
using edgeshard::json::Path;
using edgeshard::json::Step;

template <class T> using Array = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// A numpy array that owns `values`, or None for no values.
template <class T> nb::object owned(std::vector<T> &&values) {
  if (values.empty())
    return nb::none();
  return owned_array(std::move(values));
}

// A fresh array of `count` items and where to write them.
template <class T> struct Fresh {
  explicit Fresh(size_t count) : owner_(new T[count]), count_(count), data(owner_.get()) {}
  nb::object array() { return owned_array(std::move(owner_), count_); }

private:
  std::unique_ptr<T[]> owner_;
  size_t count_;

public:
  T *const data;
};

template <class T> nb::object copied(const std::vector<T> &values) {
  Fresh<T> array(values.size());
  std::copy(values.begin(), values.end(), array.data);
  return array.array();
}

std::string_view view_of(const nb::bytes &bytes) {
  return {static_cast<const char *>(bytes.data()), bytes.size()};
}

std::string_view utf8_of(const nb::str &text) {
  Py_ssize_t size = 0;
  const char *bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (bytes == nullptr)
    throw nb::python_error();
  return {bytes, size_t(size)};
}

// The steps of a path: str is a key, int a position, None is "[]".
Path path_of(const nb::tuple &steps) {
  Path path;
  for (nb::handle step : steps) {
    if (step.is_none())
      path.push_back({Step::Kind::elements, {}, 0});
    else if (nb::isinstance<nb::str>(step))
      path.push_back({Step::Kind::key, nb::cast<std::string>(step), 0});
    else
      path.push_back({Step::Kind::position, {}, nb::cast<uint64_t>(step)});
  }
  return path;
}

Payloads payloads_of(const Array<uint8_t> &data, const Array<int64_t> &bounds) {
  if (bounds.size() == 0 || bounds(0) < 0 || bounds(bounds.size() - 1) > int64_t(data.size()))
    throw nb::value_error("bounds: expected count + 1 positions within data");
  for (size_t i = 1; i < bounds.size(); ++i)
    if (bounds(i) < bounds(i - 1))
      throw nb::value_error("bounds: expected ascending positions");
  return {reinterpret_cast<const char *>(data.data()), bounds.data(), bounds.size() - 1};
}

// (point, byte, reason) of what is wrong, or None.
nb::object failure_of(const Failure &failure) {
  if (failure.point < 0)
    return nb::none();
  return nb::make_tuple(failure.point, failure.byte, failure.reason);
}

nb::tuple extract_column(Array<uint8_t> data, Array<int64_t> bounds, nb::tuple steps, bool counts, Strings &strings) {
  const Payloads payloads = payloads_of(data, bounds);
  const Path path = path_of(steps);
  Batch batch;
  Failure failure;
  {
    GilRelease release;
    const std::unique_lock lock(strings.mutex);
    failure = extract(payloads, path, counts ? Mode::counts : Mode::entries, strings, batch);
  }
  return nb::make_tuple(failure_of(failure), owned(std::move(batch.entry_counts)), owned(std::move(batch.facts)),
                        owned(std::move(batch.tags)), owned(std::move(batch.numbers)),
                        owned(std::move(batch.integers)), owned(std::move(batch.strings)),
                        owned(std::move(batch.lons)), owned(std::move(batch.lats)));
}

nb::tuple extract_objects(Array<uint8_t> data, Array<int64_t> bounds, nb::tuple steps) {
  const Payloads payloads = payloads_of(data, bounds);
  const Path path = path_of(steps);
  Elements elements;
  Failure failure;
  {
    GilRelease release;
    failure = extract_elements(payloads, path, elements);
  }
  return nb::make_tuple(failure_of(failure), owned(std::move(elements.counts)), owned(std::move(elements.starts)),
                        owned(std::move(elements.ends)));
}

// (data, bounds) of the slices [starts, ends) of `source` one after the other.
nb::tuple gather_slices(Array<uint8_t> source, Array<int64_t> starts, Array<int64_t> ends) {
  const size_t count = starts.size();
  if (ends.size() != count)
    throw nb::value_error("ends: expected as many as starts");
  Fresh<int64_t> bounds(count + 1);
  bounds.data[0] = 0;
  for (size_t i = 0; i < count; ++i) {
    if (starts(i) < 0 || ends(i) < starts(i) || ends(i) > int64_t(source.size()))
      throw nb::value_error("starts, ends: expected slices within source");
    bounds.data[i + 1] = bounds.data[i] + ends(i) - starts(i);
  }
  Fresh<uint8_t> data{size_t(bounds.data[count])};
  {
    GilRelease release;
    for (size_t i = 0; i < count; ++i)
      std::memcpy(data.data + bounds.data[i], source.data() + starts(i), size_t(ends(i) - starts(i)));
  }
  return nb::make_tuple(data.array(), bounds.array());
}

nb::object any_by_owner(Array<bool> hits, Array<uint32_t> owners, size_t count) {
  if (hits.size() > owners.size())
    throw nb::value_error("owners: expected one per hit");
  Fresh<bool> mask(count);
  {
    GilRelease release;
    spread_hits(hits.data(), owners.data(), hits.size(), mask.data, count);
  }
  return mask.array();
}

nb::tuple group_by_point_of(Array<uint32_t> owners, Array<uint32_t> numbers, size_t points) {
  if (numbers.size() != owners.size())
    throw nb::value_error("numbers: expected as many as owners");
  ValuesByPoint found;
  {
    GilRelease release;
    found = group_by_point(owners.data(), numbers.data(), owners.size(), points);
  }
  return nb::make_tuple(copied(found.starts), copied(found.numbers));
}

nb::object count_values_of(Array<int64_t> starts, Array<uint32_t> numbers, Array<uint32_t> chosen, size_t groups) {
  if (starts.size() == 0)
    throw nb::value_error("starts: expected points + 1 positions");
  Fresh<int64_t> counts(groups);
  bool valid = false;
  {
    GilRelease release;
    valid = count_values(starts.data(), starts.size() - 1, numbers.data(), numbers.size(), chosen.data(),
                         chosen.size(), groups, counts.data);
  }
  if (!valid)
    throw nb::value_error("chosen, numbers: expected points of starts, and values below groups");
  return counts.array();
}

nb::tuple most_frequent_of(Array<int64_t> counts, size_t wanted) {
  MostFrequent found;
  {
    GilRelease release;
    found = most_frequent(counts.data(), counts.size(), wanted);
  }
  return nb::make_tuple(copied(found.above), copied(found.tied));
}

nb::object strings_order(const Strings &strings, Array<uint32_t> codes, size_t wanted) {
  std::vector<uint32_t> ordered(codes.data(), codes.data() + codes.size());
  bool valid = true;
  {
    GilRelease release;
    const std::shared_lock lock(strings.mutex);
    for (const uint32_t code : ordered)
      valid = valid && code != 0 && code <= strings.size();
    if (valid)
      order_strings(strings, ordered, wanted);
  }
  if (!valid)
    throw nb::value_error("codes: expected codes of known strings");
  ordered.resize(std::min(wanted, ordered.size()));
  return copied(ordered);
}

uint32_t strings_find(const Strings &strings, nb::str text) {
  const std::shared_lock lock(strings.mutex);
  return strings.find(utf8_of(text));
}

nb::object strings_match(Strings &strings, int how, nb::str text) {
  if (how < 0 || how > int(TextMatch::substring))
    throw nb::value_error("how: expected 0 (all words), 1 (any word), 2 (phrase), 3 (prefix) or 4 (substring)");
  const std::string wanted(utf8_of(text));
  if (TextMatch(how) < TextMatch::prefix) {
    GilRelease release;
    const std::unique_lock lock(strings.mutex);
    strings.index_words();
  }
  std::unique_ptr<bool[]> hits;
  size_t count = 0;
  {
    GilRelease release;
    const std::shared_lock lock(strings.mutex);
    count = strings.size() + 1;
    hits.reset(new bool[count]);
    strings.match(TextMatch(how), wanted, hits.get());
  }
  return owned_array(std::move(hits), count);
}

nb::object strings_dates(Strings &strings, int64_t low, int64_t high) {
  std::unique_ptr<bool[]> hits;
  size_t count = 0;
  {
    GilRelease release;
    const std::unique_lock lock(strings.mutex);
    strings.index_dates();
    count = strings.size() + 1;
    hits.reset(new bool[count]);
    strings.dates_within(low, high, hits.get());
  }
  return owned_array(std::move(hits), count);
}

nb::object strings_dates_of(Strings &strings) {
  std::vector<int64_t> dates;
  {
    GilRelease release;
    const std::unique_lock lock(strings.mutex);
    strings.index_dates();
    dates = strings.dates();
  }
  return copied(dates);
}

Coordinates places_of(const Array<double> &lons, const Array<double> &lats) {
  if (lons.size() != lats.size())
    throw nb::value_error("lats: expected as many as lons");
  return {lons.data(), lats.data(), lons.size()};
}

nb::object geo_units(Array<double> lons, Array<double> lats) {
  const Coordinates places = places_of(lons, lats);
  Fresh<double> units(3 * places.count);
  {
    GilRelease release;
    unit_vectors(places, units.data);
  }
  return units.array();
}

nb::object geo_distances(Array<double> lons, Array<double> lats, double lon, double lat) {
  const Coordinates places = places_of(lons, lats);
  Fresh<double> metres(places.count);
  {
    nb::gil_scoped_release release;
    distances(places, lon, lat, metres.data);
  }
  return metres.array();
}

nb::object geo_radius(Array<double> lons, Array<double> lats, Array<double> x, Array<double> y, Array<double> z,
                      double lon, double lat, double radius) {
  const Coordinates places = places_of(lons, lats);
  if (x.size() != places.count || y.size() != places.count || z.size() != places.count)
    throw nb::value_error("x, y, z: expected as many as places");
  Fresh<bool> hits(places.count);
  {
    GilRelease release;
    within_radius(places, {x.data(), y.data(), z.data()}, lon, lat, radius, reinterpret_cast<uint8_t *>(hits.data));
  }
  return hits.array();
}

nb::object geo_polygon(Array<double> lons, Array<double> lats,
                       std::vector<std::vector<std::pair<double, double>>> rings) {
  const Coordinates places = places_of(lons, lats);
  std::vector<Ring> given;
  for (const auto &ring : rings) {
    if (ring.empty())
      throw nb::value_error("rings: expected points in every ring");
    Ring &added = given.emplace_back();
    for (const auto &[lon, lat] : ring) {
      added.lons.push_back(lon);
      added.lats.push_back(lat);
    }
  }
  if (given.empty())
    throw nb::value_error("rings: expected at least the exterior ring");
  Fresh<uint8_t> inside(places.count);
  {
    GilRelease release;
    within_polygon(places, given, inside.data);
  }
  return inside.array();
}

uint64_t slice_hash(nb::bytes data) {
  const std::string_view bytes = view_of(data);
  return siphash24(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
}

nb::object slice_mask_of(Array<uint64_t> low, Array<uint64_t> high, Array<bool> is_uuid, uint64_t total,
                         uint64_t index) {
  if (high.size() != low.size() || is_uuid.size() != low.size() || total == 0)
    throw nb::value_error("expected arrays of equal length and a total above 0");
  Fresh<bool> mask(low.size());
  {
    GilRelease release;
    slice_mask(low.data(), high.data(), is_uuid.data(), low.size(), total, index, mask.data);
  }
  return mask.array();
}

nb::object parse_datetime_of(nb::str text) {
  const auto micros = parse_datetime(utf8_of(text));
  return micros ? nb::cast(*micros) : nb::none();
}

nb::object select_payload(nb::bytes raw, std::vector<nb::tuple> paths, bool include) {
  std::vector<Path> parsed;
  for (const nb::tuple &steps : paths)
    parsed.push_back(path_of(steps));
  std::string out;
  const char *reason = select_json(view_of(raw), parsed, include, out);
  if (reason != nullptr)
    throw nb::value_error(reason);
  return nb::bytes(out.data(), out.size());
}

} // namespace

void register_columns(nb::module_ &m) {
  nb::class_<Strings>(m, "ColumnStrings")
      .def(nb::init<>())
      .def("__len__",
           [](const Strings &self) {
             const std::shared_lock lock(self.mutex);
             return self.size();
           })
      .def_prop_ro("nbytes",
                   [](const Strings &self) {
                     const std::shared_lock lock(self.mutex);
                     return self.bytes();
                   })
      .def("find", &strings_find, nb::arg("text"))
      .def("match", &strings_match, nb::arg("how"), nb::arg("text"))
      .def("dates_within", &strings_dates, nb::arg("low"), nb::arg("high"))
      .def("dates", &strings_dates_of, "Microseconds since 1970 by code (size + 1), -2**63 for one that is no date.")
      .def("order", &strings_order, nb::arg("codes"), nb::arg("wanted"),
           "Those of some codes whose strings come first in byte order, in that order.");
  m.def("extract_column", &extract_column, nb::arg("data"), nb::arg("bounds"), nb::arg("steps"), nb::arg("counts"),
        nb::arg("strings"));
  m.def("extract_objects", &extract_objects, nb::arg("data"), nb::arg("bounds"), nb::arg("steps"));
  m.def("gather_slices", &gather_slices, nb::arg("source"), nb::arg("starts"), nb::arg("ends"));
  m.def("any_by_owner", &any_by_owner, nb::arg("hits"), nb::arg("owners"), nb::arg("count"));
  m.def("group_by_point", &group_by_point_of, nb::arg("owners"), nb::arg("numbers"), nb::arg("points"),
        "(starts i64 (points + 1), numbers u32): the distinct values of each point.");
  m.def("count_values", &count_values_of, nb::arg("starts"), nb::arg("numbers"), nb::arg("chosen"), nb::arg("groups"),
        "How many of the chosen points have each value, i64 (groups).");
  m.def("most_frequent", &most_frequent_of, nb::arg("counts"), nb::arg("wanted"),
        "(above u32, tied u32): numbers of the largest counts, and of those equal to the smallest of them.");
  m.def("geo_units", &geo_units, nb::arg("lons"), nb::arg("lats"));
  m.def("geo_distances", &geo_distances, nb::arg("lons"), nb::arg("lats"), nb::arg("lon"), nb::arg("lat"));
  m.def("geo_radius", &geo_radius, nb::arg("lons"), nb::arg("lats"), nb::arg("x"), nb::arg("y"), nb::arg("z"),
        nb::arg("lon"), nb::arg("lat"), nb::arg("radius"));
  m.def("geo_polygon", &geo_polygon, nb::arg("lons"), nb::arg("lats"), nb::arg("rings"));
  m.def("slice_hash", &slice_hash, nb::arg("data"));
  m.def("slice_mask", &slice_mask_of, nb::arg("low"), nb::arg("high"), nb::arg("is_uuid"), nb::arg("total"),
        nb::arg("index"));
  m.def("parse_datetime", &parse_datetime_of, nb::arg("text"));
  m.def("select_payload", &select_payload, nb::arg("raw"), nb::arg("paths"), nb::arg("include"));
}
