#include "bind/found.hpp"

#include <structmember.h>

#include <cstddef>
#include <string>
#include <utility>

#include "bind/point_id.hpp"
#include "bind/register.hpp"

namespace edgeshard::bind {
namespace {

Array column(nb::handle columns, Py_ssize_t i, const char *name, const char *formats, const char *dtype) {
  return Array(PyTuple_GET_ITEM(columns.ptr(), i), name, formats, dtype, 1);
}

void require_triple(nb::handle columns, const char *name) {
  if (!PyTuple_CheckExact(columns.ptr()) || PyTuple_GET_SIZE(columns.ptr()) != 3)
    throw nb::type_error((std::string(name) + ": expected a tuple of three").c_str());
}

PyObject *out_of_page() {
  PyErr_SetString(PyExc_IndexError, "the page of this point has no such place");
  return nullptr;
}

}  // namespace

ResultPage::ResultPage(nb::object ids, nb::object payloads, nb::object vectors) : vectors_(std::move(vectors)) {
  if (!ids.is_none()) {
    require_triple(ids, "ids");
    lo_.emplace(column(ids, 0, "ids", "LQ", "uint64"));
    hi_.emplace(column(ids, 1, "ids", "LQ", "uint64"));
    is_uuid_.emplace(column(ids, 2, "ids", "?B", "bool"));
    if (lo_->shape(0) != hi_->shape(0) || lo_->shape(0) != is_uuid_->shape(0))
      throw nb::value_error("ids: columns of different lengths");
  }
  if (!payloads.is_none()) {
    require_triple(payloads, "payloads");
    text_.emplace(column(payloads, 0, "payloads", "B", "uint8"));
    bounds_.emplace(column(payloads, 1, "payloads", "lq", "int64"));
    absent_ = nb::borrow(PyTuple_GET_ITEM(payloads.ptr(), 2));
    const int64_t *bounds = bounds_->data<int64_t>(), size = static_cast<int64_t>(text_->shape(0));
    int64_t last = 0;
    for (size_t i = 0; i < bounds_->shape(0); last = bounds[i++])
      if (bounds[i] < last || bounds[i] > size) throw nb::value_error("payloads: bounds outside of the text");
  }
}

PyObject *ResultPage::id(size_t place) const {
  if (!lo_ || place >= lo_->shape(0)) return out_of_page();
  const bool uuid = is_uuid_->data<uint8_t>()[place] != 0;
  return from_point_id({uuid ? hi_->data<uint64_t>()[place] : 0, lo_->data<uint64_t>()[place], uuid}).release().ptr();
}

PyObject *ResultPage::payload(size_t place) const {
  if (!bounds_ || place + 1 >= bounds_->shape(0)) return out_of_page();
  const int64_t start = bounds_->data<int64_t>()[place], stop = bounds_->data<int64_t>()[place + 1];
  if (start == stop) return Py_NewRef(absent_.ptr());
  return PyBytes_FromStringAndSize(text_->data<char>() + start, static_cast<Py_ssize_t>(stop - start));
}

PyObject *ResultPage::vectors(size_t place) const { return nb::object(vectors_.attr("at")(place)).release().ptr(); }

namespace {

FoundObject *fields(PyObject *self) { return reinterpret_cast<FoundObject *>(self); }

// What one attribute is called, where its own value is, and how a page makes it.
struct Field {
  const char *name;
  size_t offset;
  PyObject *(ResultPage::*on_page)(size_t) const;
};

const Field kId{"id", offsetof(FoundObject, id), &ResultPage::id};
const Field kPayload{"_payload", offsetof(FoundObject, payload), &ResultPage::payload};
const Field kVectors{"_vectors", offsetof(FoundObject, vectors), &ResultPage::vectors};

PyObject *get(PyObject *self, void *closure) {
  const Field &field = *static_cast<const Field *>(closure);
  if (PyObject *own = *reinterpret_cast<PyObject **>(reinterpret_cast<char *>(self) + field.offset)) return Py_NewRef(own);
  const FoundObject *found = fields(self);
  if (!found->page) {
    PyErr_SetString(PyExc_AttributeError, field.name);
    return nullptr;
  }
  try {
    return (nb::inst_ptr<ResultPage>(found->page)->*field.on_page)(found->place);
  } catch (nb::python_error &error) {
    error.restore();
    return nullptr;
  }
}

int set(PyObject *self, PyObject *value, void *closure) {
  const Field &field = *static_cast<const Field *>(closure);
  PyObject **own = reinterpret_cast<PyObject **>(reinterpret_cast<char *>(self) + field.offset);
  PyObject *before = std::exchange(*own, Py_XNewRef(value));
  Py_XDECREF(before);
  return 0;
}

void dealloc(PyObject *self) {
  FoundObject *found = fields(self);
  PyTypeObject *type = Py_TYPE(self);
  Py_XDECREF(found->page);
  Py_XDECREF(found->id);
  Py_XDECREF(found->payload);
  Py_XDECREF(found->vectors);
  Py_XDECREF(found->source);
  type->tp_free(self);
  Py_DECREF(type);
}

PyGetSetDef attributes[] = {
    {"id", &get, &set, "The id of the point.", const_cast<Field *>(&kId)},
    {"_payload", &get, &set, "Its payload as JSON, or None.", const_cast<Field *>(&kPayload)},
    {"_vectors", &get, &set, "Its vectors, packed, or None.", const_cast<Field *>(&kVectors)},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

// The places of what a point does not leave to its page, by the names under which bulk constructors find them.
PyMemberDef members[] = {
    {"_own_id", T_OBJECT_EX, offsetof(FoundObject, id), READONLY, nullptr},
    {"_own_payload", T_OBJECT_EX, offsetof(FoundObject, payload), READONLY, nullptr},
    {"_own_vectors", T_OBJECT_EX, offsetof(FoundObject, vectors), READONLY, nullptr},
    {"_own_source", T_OBJECT_EX, offsetof(FoundObject, source), READONLY, nullptr},
    {"_source", T_OBJECT, offsetof(FoundObject, source), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_getset, attributes},
                       {Py_tp_members, members},
                       {Py_tp_dealloc, reinterpret_cast<void *>(&dealloc)},
                       {Py_tp_doc, const_cast<char *>("A point of a result.")},
                       {0, nullptr}};

PyType_Spec spec{"edgeshard._native.Found", sizeof(FoundObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

PyTypeObject *found_type() {
  static PyObject *const type = PyType_FromSpec(&spec);
  if (!type) nb::raise_python_error();
  return reinterpret_cast<PyTypeObject *>(type);
}

}  // namespace edgeshard::bind

void register_found(nb::module_ &m) {
  using edgeshard::bind::ResultPage;
  m.attr("Found") = nb::handle(reinterpret_cast<PyObject *>(edgeshard::bind::found_type()));
  nb::class_<ResultPage>(m, "ResultPage", "What the points of one result have in common.")
      .def(nb::init<nb::object, nb::object, nb::object>(), nb::arg("ids").none(), nb::arg("payloads").none(),
           nb::arg("vectors").none());
}
