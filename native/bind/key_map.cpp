// Map files and prefix indexes of immutable payload indexes, mapped by Python.
#include "bind/gil.hpp"
#include "bind/register.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "bind/owned.hpp"
#include "bind/payload_args.hpp"
#include "index/payload_keys.hpp"
#include "index/payload_mph.hpp"
#include "kernels/offsets.hpp"

using namespace edgeshard;
using namespace edgeshard::payload;
using namespace edgeshard::bind;

namespace {

// A checked file and the memory it lies in.
template <class File> struct Mapped {
  Array<uint8_t> memory;
  File file;

  explicit Mapped(Array<uint8_t> array) : memory(std::move(array)) {
    const char *reason = file.open({reinterpret_cast<const char *>(memory.data()), memory.size()});
    if (reason != nullptr)
      throw nb::value_error(reason);
  }
};
using KeyMap = Mapped<MapFile>;
using PrefixFile = Mapped<PrefixIndex>; // prefix_index.bin

std::vector<uint32_t> values_of(const std::optional<MapFile::Values> &found) {
  if (!found)
    throw nb::value_error("an entry reaches past the end of the file");
  std::vector<uint32_t> values(found->count);
  if (!values.empty())
    std::memcpy(values.data(), found->data, values.size() * 4);
  return values;
}

nb::object numbers_of(const std::optional<MapFile::Values> &found) { return owned_array(values_of(found)); }

// What find() finds, ascending and each once.
nb::object key_map_offsets(const KeyMap &self, nb::bytes key, size_t points) {
  return owned_array(distinct_offsets(values_of(self.file.find({key.c_str(), key.size()})), points));
}

nb::tuple key_map_entry(const KeyMap &self, size_t bucket) {
  if (bucket >= self.file.size())
    throw nb::index_error("there are fewer entries");
  const auto entry = self.file.entry(bucket);
  if (!entry)
    throw nb::value_error("an entry reaches past the end of the file");
  return nb::make_tuple(nb::bytes(entry->first.data(), entry->first.size()), numbers_of(entry->second));
}

// (points,) bool made by work(mask), which says what is wrong.
template <class Work> nb::object marked(size_t points, Work &&work) {
  auto mask = std::make_unique<bool[]>(points);
  const char *reason = nullptr;
  {
    GilRelease release;
    reason = work(mask.get());
  }
  if (reason != nullptr)
    throw nb::value_error(reason);
  return owned_array(std::move(mask), points);
}

nb::object key_map_matching(const KeyMap &self, nb::bytes text, bool anywhere, size_t points) {
  const std::string_view wanted(text.c_str(), text.size());
  return marked(points, [&](bool *mask) { return mark_matching(self.file, wanted, anywhere, mask, points); });
}

nb::object key_map_with_prefix(const KeyMap &self, const PrefixFile &index, nb::bytes text, size_t points) {
  const std::string_view wanted(text.c_str(), text.size());
  return marked(points, [&](bool *mask) { return mark_with_prefix(self.file, index.file, wanted, mask, points); });
}

// (keys, bounds, owners, numbers): all keys in order, and a pair of point and key number for each value of a key.
nb::tuple key_map_groups(const KeyMap &self, size_t points) {
  KeyGroups groups;
  const char *reason = nullptr;
  {
    GilRelease release;
    reason = group_keys(self.file, points, groups);
  }
  if (reason != nullptr)
    throw nb::value_error(reason);
  return nb::make_tuple(owned_array(std::move(groups.data)), owned_array(std::move(groups.bounds)),
                        owned_array(std::move(groups.owners)), owned_array(std::move(groups.numbers)));
}

} // namespace

void register_key_map(nb::module_ &m) {
  nb::class_<KeyMap>(m, "KeyMap")
      .def(nb::init<Array<uint8_t>>(), nb::arg("file"))
      .def("__len__", [](const KeyMap &self) { return self.file.size(); })
      .def_prop_ro("kind", [](const KeyMap &self) { return int(self.file.kind()); })
      .def("find",
           [](const KeyMap &self, nb::bytes key) {
             return numbers_of(self.file.find({key.c_str(), key.size()}));
           },
           nb::arg("key"))
      .def("offsets", &key_map_offsets, nb::arg("key"), nb::arg("points"))
      .def("entry", &key_map_entry, nb::arg("bucket"))
      .def("matching", &key_map_matching, nb::arg("text"), nb::arg("anywhere"), nb::arg("points"))
      .def("with_prefix", &key_map_with_prefix, nb::arg("index"), nb::arg("prefix"), nb::arg("points"))
      .def("groups", &key_map_groups, nb::arg("points"));
  nb::class_<PrefixFile>(m, "PrefixFile")
      .def(nb::init<Array<uint8_t>>(), nb::arg("file"))
      .def("__len__", [](const PrefixFile &self) { return self.file.size(); });
}
