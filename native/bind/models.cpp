// What decides the equality of model objects, as a flat tuple: comparing and hashing that is one call, where comparing
// objects field by field goes through Python at every level.
#include <cmath>

#include "bind/register.hpp"

namespace {

class Flattener {
 public:
  Flattener(nb::handle base, nb::handle frozen) : base_(base), frozen_(frozen), out_(nb::steal<nb::list>(PyList_New(0))) {
    static PyObject *const own = PyUnicode_InternFromString("_state");
    static PyObject *const slots = PyUnicode_InternFromString("_slots");
    state_name_ = own;
    slots_name_ = slots;
  }

  void model(PyObject *object) {
    if (Py_EnterRecursiveCall(" while comparing a model")) throw nb::python_error();
    try {
      fields(object);
    } catch (...) {
      Py_LeaveRecursiveCall();
      throw;
    }
    Py_LeaveRecursiveCall();
  }

  nb::object tuple() const { return nb::steal(PyList_AsTuple(out_.ptr())); }

 private:
  void put(PyObject *value) {
    if (PyList_Append(out_.ptr(), value) != 0) throw nb::python_error();
  }

  // A class that says itself what its state is keeps doing so.
  void fields(PyObject *object) {
    const nb::handle type(reinterpret_cast<PyObject *>(Py_TYPE(object)));
    put(type.ptr());
    if (!nb::getattr(type, nb::handle(state_name_), nb::none()).is_none()) {
      const nb::object state = nb::steal(PyObject_CallMethodNoArgs(object, state_name_));
      if (!state.is_valid()) throw nb::python_error();
      value(state.ptr());
      return;
    }
    const nb::object names = nb::getattr(type, nb::handle(slots_name_));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names.ptr()); ++i) {
      const nb::object field = nb::steal(PyObject_GetAttr(object, PyTuple_GET_ITEM(names.ptr(), i)));
      if (!field.is_valid()) throw nb::python_error();
      value(field.ptr());
    }
  }

  void value(PyObject *v) {
    if (v == Py_None || PyUnicode_CheckExact(v) || PyBytes_CheckExact(v) || PyBool_Check(v) || PyLong_CheckExact(v)) {
      put(v);
    } else if (PyFloat_CheckExact(v)) {
      static PyObject *const nan = PyFloat_FromDouble(std::nan(""));  // one object, which is equal to itself
      put(std::isnan(PyFloat_AS_DOUBLE(v)) ? nan : v);
    } else if (PyTuple_CheckExact(v)) {
      put(nb::int_(PyTuple_GET_SIZE(v)).ptr());
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(v); ++i) value(PyTuple_GET_ITEM(v, i));
    } else if (const int is_model = PyObject_IsInstance(v, base_.ptr())) {
      if (is_model < 0) throw nb::python_error();
      model(v);
    } else {
      const nb::object other = nb::steal(PyObject_CallOneArg(frozen_.ptr(), v));
      if (!other.is_valid()) throw nb::python_error();
      put(other.ptr());
    }
  }

  nb::handle base_, frozen_;
  PyObject *state_name_, *slots_name_;
  nb::list out_;
};

nb::object model_state(nb::object model, nb::object base, nb::object frozen) {
  Flattener flat(base, frozen);
  flat.model(model.ptr());
  return flat.tuple();
}

}  // namespace

void register_models(nb::module_ &m) {
  m.def("model_state", &model_state, nb::arg("model"), nb::arg("base"), nb::arg("frozen"),
        "Hashable values that decide the equality of a model object, its class first.");
}
