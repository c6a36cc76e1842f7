// Python values -> bytes: vectors to float32 rows, payloads to JSON. No algorithm beyond walking the objects.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "bind/register.hpp"
#include "bind/vector_buffer.hpp"
#include "codec/json_writer.hpp"

namespace {

using edgeshard::bind::CastRow;

constexpr int kMaxDepth = 126;  // what Qdrant's JSON reader accepts, less the level it needs itself


[[noreturn]] void raise_validation(const std::string &message) {
  nb::object type = nb::module_::import_("edgeshard.errors").attr("ArgumentError");
  PyErr_SetString(type.ptr(), message.c_str());
  throw nb::python_error();
}

[[noreturn]] void raise_type(const std::string &message) { throw nb::type_error(message.c_str()); }

[[noreturn]] void rethrow() { throw nb::python_error(); }

std::string type_name(PyObject *object) { return nb::type_name(nb::handle(object).type()).c_str(); }

// --- vectors -----------------------------------------------------------------------------------------------------

float to_float(PyObject *item) {
  if (PyFloat_CheckExact(item)) return static_cast<float>(PyFloat_AS_DOUBLE(item));
  const auto no_number = [item] { raise_type("expected a number in a vector, got " + type_name(item)); };
  if (PyUnicode_Check(item) || PyBytes_Check(item)) no_number();
  const double value = PyFloat_AsDouble(item);
  if (value == -1.0 && PyErr_Occurred()) {
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
      PyErr_Clear();
      return std::numeric_limits<float>::infinity();
    }
    if (PyType_GetSlot(Py_TYPE(item), Py_nb_float) == nullptr && PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Clear();
      no_number();
    }
    rethrow();
  }
  return static_cast<float>(value);
}

void check_finite(const float *row, Py_ssize_t n) {
  // All exponent bits set means NaN or infinity; integer maths, so the loop has no branches and vectorises.
  std::uint32_t bad = 0;
  for (Py_ssize_t i = 0; i < n; ++i) {
    bad |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(row[i]) & 0x7f800000u) == 0x7f800000u);
  }
  if (bad == 0) return;
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (!std::isfinite(row[i])) {
      raise_validation("Validation failed: a vector holds " + std::string(std::isnan(row[i]) ? "NaN" : "infinity") +
                       " (after conversion to float32) at position " + std::to_string(i) +
                       "; set edgeshard.options.allow_nonfinite_vectors to store such vectors");
    }
  }
}

// `item` is a list or tuple; its items may run Python code that changes it, so the size is checked at every step.
void fill_row(PyObject *sequence, float *row, Py_ssize_t n) {
  nb::ft_object_guard guard{nb::handle(sequence)};
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (i >= PySequence_Fast_GET_SIZE(sequence)) raise_type("the vector changed while it was read");
    nb::object item = nb::borrow(PySequence_Fast_GET_ITEM(sequence, i));
    row[i] = to_float(item.ptr());
  }
}

bool is_sequence(PyObject *object) { return PyList_Check(object) || PyTuple_Check(object); }

nb::object empty_bytes(Py_ssize_t count) {
  if (count > PY_SSIZE_T_MAX / static_cast<Py_ssize_t>(sizeof(float))) throw std::bad_alloc();
  PyObject *bytes = PyBytes_FromStringAndSize(nullptr, count * static_cast<Py_ssize_t>(sizeof(float)));
  if (bytes == nullptr) rethrow();
  return nb::steal(bytes);
}

float *floats_of(const nb::object &bytes) { return reinterpret_cast<float *>(PyBytes_AS_STRING(bytes.ptr())); }

// One row from a one-dimensional buffer; false if the object offers none of a number type read here.
bool fill_from_buffer(PyObject *object, float *row, Py_ssize_t n) {
  edgeshard::bind::Buffer buffer(object);
  if (!buffer.ok() || buffer.view().ndim != 1 || buffer.view().shape[0] != n) return false;
  const CastRow cast = edgeshard::bind::cast_row_of(buffer.view());
  if (cast == nullptr) return false;
  cast(static_cast<const char *>(buffer.view().buf), buffer.view().strides[0], row, n);
  return true;
}

nb::object rows_tuple(nb::object bytes, Py_ssize_t rows, Py_ssize_t columns) {
  return nb::make_tuple(std::move(bytes), rows, columns);
}

/// More than any stored vector has; a view of repeated elements can claim terabytes.
constexpr Py_ssize_t kMaxComponents = Py_ssize_t(1) << 28;

nb::object pack_buffer(PyObject *object, bool finite) {
  edgeshard::bind::Buffer buffer(object);
  if (!buffer.ok()) return nb::none();
  const Py_buffer &view = buffer.view();
  const CastRow cast = edgeshard::bind::cast_row_of(view);
  if (cast == nullptr || view.ndim < 1 || view.ndim > 2) return nb::none();
  const Py_ssize_t rows = view.ndim == 2 ? view.shape[0] : 1;
  const Py_ssize_t columns = view.shape[view.ndim - 1];
  if (columns > 0 && rows > kMaxComponents / columns) {
    raise_validation("Validation failed: a vector of " + std::to_string(rows) + " x " + std::to_string(columns) +
                     " components, at most " + std::to_string(kMaxComponents) + " are accepted");
  }
  nb::object bytes = empty_bytes(rows * columns);
  float *out = floats_of(bytes);
  for (Py_ssize_t r = 0; r < rows; ++r) {
    const char *row = static_cast<const char *>(view.buf) + (view.ndim == 2 ? r * view.strides[0] : 0);
    cast(row, view.strides[view.ndim - 1], out + r * columns, columns);
  }
  if (finite) check_finite(out, rows * columns);
  return view.ndim == 1 ? bytes : rows_tuple(bytes, rows, columns);
}

Py_ssize_t length_of(PyObject *object) {
  if (is_sequence(object)) return PySequence_Fast_GET_SIZE(object);
  const Py_ssize_t n = PyObject_Length(object);
  if (n < 0) rethrow();
  return n;
}

bool is_row(PyObject *object) {
  if (is_sequence(object)) return true;
  return !PyBytes_Check(object) && PyObject_CheckBuffer(object) && PySequence_Check(object) &&
         !PyFloat_Check(object) && !PyLong_Check(object);
}

nb::object pack_rows(PyObject *sequence, bool finite) {
  nb::ft_object_guard guard{nb::handle(sequence)};
  const Py_ssize_t rows = PySequence_Fast_GET_SIZE(sequence);
  const Py_ssize_t columns = length_of(PySequence_Fast_GET_ITEM(sequence, 0));
  nb::object bytes = empty_bytes(rows * columns);
  float *out = floats_of(bytes);
  for (Py_ssize_t r = 0; r < rows; ++r) {
    if (r >= PySequence_Fast_GET_SIZE(sequence)) raise_type("the multi-vector changed while it was read");
    nb::object row = nb::borrow(PySequence_Fast_GET_ITEM(sequence, r));
    if (!is_row(row.ptr())) raise_type("expected every row of a multi-vector to be a list of numbers, got " + type_name(row.ptr()));
    if (length_of(row.ptr()) != columns) {
      raise_validation("Validation failed: the rows of a multi-vector must have one length, row 0 has " +
                       std::to_string(columns) + ", row " + std::to_string(r) + " has " +
                       std::to_string(length_of(row.ptr())));
    }
    if (is_sequence(row.ptr())) {
      fill_row(row.ptr(), out + r * columns, columns);
    } else if (!fill_from_buffer(row.ptr(), out + r * columns, columns)) {
      raise_type("expected every row of a multi-vector to be a list of numbers, got " + type_name(row.ptr()));
    }
  }
  if (finite) check_finite(out, rows * columns);
  return rows_tuple(bytes, rows, columns);
}

nb::object pack_vector(nb::handle vector, bool finite) {
  PyObject *object = vector.ptr();
  if (!is_sequence(object)) {
    return PyObject_CheckBuffer(object) && !PyBytes_Check(object) ? pack_buffer(object, finite) : nb::none();
  }
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(object);
  if (n > 0 && is_row(PySequence_Fast_GET_ITEM(object, 0))) return pack_rows(object, finite);
  nb::object bytes = empty_bytes(n);
  fill_row(object, floats_of(bytes), n);
  if (finite) check_finite(floats_of(bytes), n);
  return bytes;
}

// --- payloads ----------------------------------------------------------------------------------------------------

class PayloadWriter {
 public:
  void dict(PyObject *object, int depth) {
    enter(depth);
    nb::ft_object_guard guard{nb::handle(object)};
    out_.push_back('{');
    PyObject *key, *value;
    Py_ssize_t position = 0;
    const Py_ssize_t size = PyDict_GET_SIZE(object);
    bool first = true;
    while (PyDict_Next(object, &position, &key, &value)) {
      if (!first) out_.push_back(',');
      first = false;
      // Converting a value may run Python code, which may drop what the dictionary lends us.
      nb::object held_key = nb::borrow(key), held_value = nb::borrow(value);
      if (depth == 1) top_key_ = key;
      if (!PyUnicode_Check(key)) raise_type("payload keys must be strings, got " + type_name(key) + where());
      string(key);
      out_.push_back(':');
      this->value(value, depth);
      if (PyDict_GET_SIZE(object) != size) raise_type("the payload changed while it was read");
    }
    out_.push_back('}');
  }

  const std::string &text() const { return out_; }

  void value(PyObject *object, int depth) {
    if (PyUnicode_Check(object)) return string(object);
    if (object == Py_None) return literal("null");
    if (object == Py_True) return literal("true");
    if (object == Py_False) return literal("false");
    if (PyLong_Check(object)) return integer(object);
    if (PyFloat_Check(object)) return number(PyFloat_AS_DOUBLE(object));
    if (PyDict_Check(object)) return dict(object, depth + 1);
    if (PyList_Check(object) || PyTuple_Check(object)) return sequence(object, depth + 1);
    other(object, depth);
  }

 private:
  void enter(int depth) {
    if (depth <= kMaxDepth) return;
    raise_validation("Validation failed: a payload may be nested " + std::to_string(kMaxDepth) +
                     " levels deep, this one is deeper or contains itself");
  }

  void literal(const char *text) { out_.append(text); }

  void string(PyObject *object) {
    Py_ssize_t size = 0;
    const char *utf8 = PyUnicode_AsUTF8AndSize(object, &size);
    if (utf8 == nullptr) {
      if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) rethrow();
      PyErr_Clear();
      raise_type("payload strings must be valid Unicode, this one holds a lone surrogate");
    }
    edgeshard::json_string(out_, {utf8, static_cast<std::size_t>(size)});
  }

  // Integers beyond 64 bits become floats, as in Qdrant.
  void integer(PyObject *object) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow == 0) return edgeshard::json_int(out_, value);
    if (overflow > 0) {
      const unsigned long long large = PyLong_AsUnsignedLongLong(object);
      if (!PyErr_Occurred()) return edgeshard::json_uint(out_, large);
      PyErr_Clear();
    }
    const double approximate = PyLong_AsDouble(object);
    if (PyErr_Occurred()) {
      PyErr_Clear();
      raise_type("payload integers must fit a float, this one does not");
    }
    number(approximate);
  }

  void number(double value) {
    if (!std::isfinite(value)) {
      raise_validation(std::string("failed to convert ") + (std::isnan(value) ? "NaN" : value > 0 ? "inf" : "-inf") +
                       " into payload number type: JSON has no such number" + where());
    }
    edgeshard::json_double(out_, value);
  }

  void sequence(PyObject *object, int depth) {
    enter(depth);
    nb::ft_object_guard guard{nb::handle(object)};
    out_.push_back('[');
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
      if (i > 0) out_.push_back(',');
      nb::object item = nb::borrow(PySequence_Fast_GET_ITEM(object, i));
      value(item.ptr(), depth);
    }
    out_.push_back(']');
  }

  // NumPy scalars and arrays, numbers by protocol, other sequences (bytes become lists of integers).
  void other(PyObject *object, int depth) {
    enter(depth);
    nb::handle handle(object);
    if (PyObject_HasAttrString(object, "dtype") && PyObject_HasAttrString(object, "tolist")) {
      check_size(handle);
      nb::object plain = handle.attr("tolist")();
      if (plain.type().is(handle.type())) raise_unsupported(object);
      return value(plain.ptr(), depth);
    }
    if (PyIndex_Check(object)) {
      nb::object plain = nb::steal(PyNumber_Index(object));
      if (!plain.is_valid()) rethrow();
      return integer(plain.ptr());
    }
    if (PyType_GetSlot(Py_TYPE(object), Py_nb_float) != nullptr) {
      const double approximate = PyFloat_AsDouble(object);
      if (PyErr_Occurred()) rethrow();
      return number(approximate);
    }
    nb::object abc = nb::module_::import_("collections.abc").attr("Sequence");
    if (PyBytes_Check(object) || PyByteArray_Check(object) || PyMemoryView_Check(object) ||
        nb::isinstance(handle, abc)) {
      nb::object plain = nb::steal(PySequence_List(object));
      if (!plain.is_valid()) rethrow();
      return sequence(plain.ptr(), depth + 1);
    }
    raise_unsupported(object);
  }

  // An array may have far more items than memory: one row, repeated.
  static void check_size(nb::handle array) {
    constexpr long long kMaxItems = 1LL << 28;
    const nb::object size = nb::getattr(array, "size", nb::none());
    if (!PyLong_Check(size.ptr())) return;
    int overflow = 0;
    const long long items = PyLong_AsLongLongAndOverflow(size.ptr(), &overflow);
    if (overflow > 0 || items > kMaxItems)
      raise_validation("Validation failed: an array in a payload may have " + std::to_string(kMaxItems) + " items, got one of " +
                       nb::cast<std::string>(nb::str(size)));
  }

  [[noreturn]] void raise_unsupported(PyObject *object) {
    const bool date = PyObject_HasAttrString(object, "isoformat");
    raise_type("a payload holds None, bool, int, float, str, lists and dicts of those; got " + type_name(object) + where() +
               (date ? ": write dates as text, with isoformat()" : ""));
  }

  // For messages: the key at the top of the payload that is being written. It is held while its value is.
  std::string where() const {
    if (top_key_ == nullptr || !PyUnicode_Check(top_key_)) return "";
    nb::object shown = nb::steal(PyObject_Repr(top_key_));
    return " (under the key " + nb::cast<std::string>(nb::steal(PyUnicode_Substring(shown.ptr(), 0, 100))) + ")";
  }

  std::string out_;
  PyObject *top_key_ = nullptr;
};

nb::bytes encode_payload(nb::handle payload) {
  if (!PyDict_Check(payload.ptr())) raise_type("expected a payload as a dict, got " + type_name(payload.ptr()));
  PayloadWriter writer;
  writer.dict(payload.ptr(), 1);
  return nb::bytes(writer.text().data(), writer.text().size());
}

// put_fields(object, /, **fields): set slots past a class's own __setattr__, which refuses. As a plain CPython function
// because building a model object is mostly this call: no dictionary of keywords is made.
PyObject *put_fields(PyObject *, PyObject *const *args, Py_ssize_t positional, PyObject *names) {
  if (positional != 1) {
    PyErr_SetString(PyExc_TypeError, "put_fields() takes one object and keywords");
    return nullptr;
  }
  const Py_ssize_t count = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (PyObject_GenericSetAttr(args[0], PyTuple_GET_ITEM(names, i), args[1 + i]) != 0) return nullptr;
  }
  Py_RETURN_NONE;
}

PyMethodDef put_fields_def = {
    "put_fields", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&put_fields)),
    METH_FASTCALL | METH_KEYWORDS, "Set attributes of an object, past its class's own __setattr__."};

}  // namespace

void register_convert(nb::module_ &m) {
  m.def("pack_vector", &pack_vector, nb::arg("vector").none(), nb::arg("finite"),
        "float32 bytes of a flat vector, (bytes, rows, columns) of a nested one, None for anything else.");
  m.def("encode_payload", &encode_payload, nb::arg("payload"), "The payload as compact JSON.");
  nb::object function = nb::steal(PyCFunction_New(&put_fields_def, nullptr));
  if (!function.is_valid()) rethrow();
  m.attr("put_fields") = function;
}
