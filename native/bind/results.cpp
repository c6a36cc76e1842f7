// Result objects in bulk: what a read returns is mostly many small Python objects, and making them one by one from
// Python costs more than finding them.
#include <nanobind/ndarray.h>
#include <structmember.h>

#include <string>
#include <vector>

#include "bind/register.hpp"

namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bounds = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Where a slot of a class keeps its value, so that it can be set without a look-up.
size_t slot_offset(nb::handle cls, nb::handle name) {
  const nb::object slot = nb::getattr(cls, name);
  if (!Py_IS_TYPE(slot.ptr(), &PyMemberDescr_Type)) throw nb::type_error("make_objects: a name is not a slot of the class");
  const PyMemberDef *member = reinterpret_cast<PyMemberDescrObject *>(slot.ptr())->d_member;
  if (member->type != T_OBJECT_EX) throw nb::type_error("make_objects: a name is not a slot of the class");
  return static_cast<size_t>(member->offset);
}

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
  struct Column {
    size_t offset;
    PyObject *value;
    bool many;
  };
  std::vector<Column> slots;
  for (size_t j = 0; j < names.size(); ++j) {
    PyObject *column = PyTuple_GET_ITEM(columns.ptr(), static_cast<Py_ssize_t>(j));
    slots.push_back({slot_offset(cls, names[j]), column, PyList_CheckExact(column) != 0});
  }
  nb::list result = nb::steal<nb::list>(PyList_New(static_cast<Py_ssize_t>(count)));
  if (!result.is_valid()) throw nb::python_error();
  for (size_t i = 0; i < count; ++i) {
    PyObject *made = type->tp_alloc(type, 0);
    if (!made) throw nb::python_error();
    for (const Column &slot : slots) {
      PyObject *value = slot.many ? PyList_GET_ITEM(slot.value, static_cast<Py_ssize_t>(i)) : slot.value;
      // The slots of a new object are empty: there is nothing to let go of.
      *reinterpret_cast<PyObject **>(reinterpret_cast<char *>(made) + slot.offset) = Py_NewRef(value);
    }
    PyList_SET_ITEM(result.ptr(), static_cast<Py_ssize_t>(i), made);
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
