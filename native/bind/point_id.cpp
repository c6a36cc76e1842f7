#include "bind/point_id.hpp"

namespace edgeshard::bind {
namespace {

// uuid is imported at the first UUID only: it costs more than the rest of the package's start.
PyTypeObject *uuid_type() {
  static PyObject *type = nb::object(nb::module_::import_("uuid").attr("UUID")).release().ptr();
  return reinterpret_cast<PyTypeObject *>(type);
}

PyObject *name_int() {
  static PyObject *name = PyUnicode_InternFromString("int");
  return name;
}

PyObject *safety_unknown() {
  static PyObject *value = nb::object(nb::module_::import_("uuid").attr("SafeUUID").attr("unknown")).release().ptr();
  return value;
}

nb::object checked(PyObject *object) {
  if (!object) nb::raise_python_error();
  return nb::steal(object);
}

PyObject *sixty_four() {
  static PyObject *value = PyLong_FromLong(64);
  return value;
}

PointId from_uuid(nb::handle value) {
  const nb::object number = checked(PyObject_GetAttr(value.ptr(), name_int()));
  PointId id{0, PyLong_AsUnsignedLongLongMask(number.ptr()), true};
  const nb::object high = checked(PyNumber_Rshift(number.ptr(), sixty_four()));
  id.hi = PyLong_AsUnsignedLongLong(high.ptr());
  if (PyErr_Occurred()) nb::raise_python_error();
  return id;
}

}  // namespace

PointId to_point_id(nb::handle value) {
  if (PyLong_Check(value.ptr())) {
    const uint64_t number = PyLong_AsUnsignedLongLong(value.ptr());
    if (number == UINT64_MAX && PyErr_Occurred()) {
      PyErr_Clear();
      throw nb::value_error("a point id must be between 0 and 2**64 - 1");
    }
    return {0, number, false};
  }
  if (PyObject_TypeCheck(value.ptr(), uuid_type())) return from_uuid(value);
  if (PyIndex_Check(value.ptr())) return to_point_id(checked(PyNumber_Index(value.ptr())));
  throw nb::type_error("a point id must be an int or a uuid.UUID");
}

nb::object from_point_id(const PointId &id) {
  if (!id.is_uuid) return checked(PyLong_FromUnsignedLongLong(id.lo));
  const nb::object high = checked(PyLong_FromUnsignedLongLong(id.hi));
  const nb::object low = checked(PyLong_FromUnsignedLongLong(id.lo));
  const nb::object shifted = checked(PyNumber_Lshift(high.ptr(), sixty_four()));
  const nb::object number = checked(PyNumber_Or(shifted.ptr(), low.ptr()));
  // UUID refuses attribute assignment and its constructor is slow: fill the two slots the way its own
  // __setstate__ does, with object.__setattr__.
  static PyObject *name_is_safe = PyUnicode_InternFromString("is_safe");
  PyTypeObject *type = uuid_type();
  nb::object uuid = checked(type->tp_alloc(type, 0));
  if (PyObject_GenericSetAttr(uuid.ptr(), name_int(), number.ptr()) != 0 ||
      PyObject_GenericSetAttr(uuid.ptr(), name_is_safe, safety_unknown()) != 0)
    nb::raise_python_error();
  return uuid;
}

std::vector<PointId> to_point_ids(nb::handle values) {
  std::vector<PointId> ids;
  if (Input<uint64_t> array; !PyList_Check(values.ptr()) && nb::try_cast(values, array, false)) {
    ids.reserve(array.size());
    for (size_t i = 0; i < array.size(); ++i) ids.push_back({0, array.data()[i], false});
    return ids;
  }
  const nb::object sequence = checked(PySequence_Fast(values.ptr(), "ids must be a uint64 array or a sequence"));
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence.ptr());
  ids.reserve(static_cast<size_t>(count));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence.ptr()); ++i)
    ids.push_back(to_point_id(PySequence_Fast_GET_ITEM(sequence.ptr(), i)));
  return ids;
}

}  // namespace edgeshard::bind
