// Result objects in bulk: what a read returns is mostly many small Python objects, and making them one by one from
// Python costs more than finding them.
#include <nanobind/ndarray.h>

#include <string>

#include "bind/register.hpp"

namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bounds = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Objects of a slotted class without __init__: every column is a list with one item per object, or one value for all.
nb::list make_objects(nb::handle cls, nb::tuple names, nb::tuple columns, size_t count) {
  if (!PyType_Check(cls.ptr())) throw nb::type_error("make_objects: expected a class");
  if (names.size() != columns.size()) throw nb::value_error("make_objects: as many columns as names are needed");
  for (nb::handle column : columns) {
    if (PyList_CheckExact(column.ptr()) && static_cast<size_t>(PyList_GET_SIZE(column.ptr())) != count) {
      throw nb::value_error("make_objects: every list needs one item per object");
    }
  }
  auto *type = reinterpret_cast<PyTypeObject *>(cls.ptr());
  nb::list result;
  for (size_t i = 0; i < count; ++i) {
    nb::object made = nb::steal(type->tp_alloc(type, 0));
    if (!made.is_valid()) throw nb::python_error();
    for (size_t j = 0; j < names.size(); ++j) {
      PyObject *column = PyTuple_GET_ITEM(columns.ptr(), static_cast<Py_ssize_t>(j));
      PyObject *value = PyList_CheckExact(column) ? PyList_GET_ITEM(column, static_cast<Py_ssize_t>(i)) : column;
      if (PyObject_GenericSetAttr(made.ptr(), PyTuple_GET_ITEM(names.ptr(), static_cast<Py_ssize_t>(j)), value) != 0) {
        throw nb::python_error();
      }
    }
    result.append(std::move(made));
  }
  return result;
}

// Byte strings between consecutive bounds; `absent` where two are equal.
nb::list split_bytes_list(Bytes data, Bounds bounds, nb::bytes absent) {
  nb::list result;
  const int64_t size = static_cast<int64_t>(data.shape(0));
  for (size_t i = 0; i + 1 < bounds.shape(0); ++i) {
    const int64_t start = bounds(i), stop = bounds(i + 1);
    if (start < 0 || stop < start || stop > size) throw nb::value_error("split_values: bounds outside of the data");
    if (start == stop) {
      result.append(absent);
    } else {
      result.append(nb::bytes(reinterpret_cast<const char *>(data.data()) + start, static_cast<size_t>(stop - start)));
    }
  }
  return result;
}

}  // namespace

void register_results(nb::module_ &m) {
  m.def("make_objects", &make_objects, nb::arg("cls"), nb::arg("names"), nb::arg("columns"), nb::arg("count"),
        "Objects of a slotted class, made without its __init__.");
  m.def("split_values", &split_bytes_list, nb::arg("data"), nb::arg("bounds"), nb::arg("absent"),
        "Byte strings between consecutive bounds.");
}
