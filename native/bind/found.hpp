// Points of a result. Those of a long one share a page, from which each makes its id, payload and vectors when they are
// read: what is copied out of a shard is copied without the GIL, and the objects that hold it are made by who looks.
#pragma once
#include <nanobind/nanobind.h>

#include <optional>

#include "bind/arrays.hpp"

namespace edgeshard::bind {

// What the points of one result have in common.
class ResultPage {
 public:
  // `ids`: (lo (n,) u64, hi (n,) u64, is_uuid (n,) bool) or None. `payloads`: (text u8, bounds (n + 1,) i64, text of an
  // empty one) or None. `vectors`: an object whose at(place) makes those of a point, or None.
  ResultPage(nb::object ids, nb::object payloads, nb::object vectors);

  // New references; null with an exception.
  PyObject *id(size_t place) const;
  PyObject *payload(size_t place) const;
  PyObject *vectors(size_t place) const;

 private:
  std::optional<Array> lo_, hi_, is_uuid_, text_, bounds_;
  nb::object absent_, vectors_;
};

// The layout of the base class of points. A field that is null is the page's.
struct FoundObject {
  PyObject_HEAD
  PyObject *page;  // a ResultPage or null
  size_t place;
  PyObject *id, *payload, *vectors;
  PyObject *source;  // where its payload was read, for messages, or null
};

PyTypeObject *found_type();

}  // namespace edgeshard::bind
