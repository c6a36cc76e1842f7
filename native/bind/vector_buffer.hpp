// Rows of numbers behind Python's buffer protocol, read into float32 whatever their type and stride.
#pragma once
#include <Python.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace edgeshard::bind {

// The buffer of an object for as long as this lives.
class Buffer {
 public:
  explicit Buffer(PyObject *object) : ok_(PyObject_GetBuffer(object, &view_, PyBUF_STRIDES | PyBUF_FORMAT) == 0) {
    if (!ok_) PyErr_Clear();
  }
  ~Buffer() {
    if (ok_) PyBuffer_Release(&view_);
  }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;

  /// Some exporters (scalars of NumPy's dates) name dimensions without saying where their items are.
  bool ok() const { return ok_ && (view_.ndim == 0 || (view_.shape != nullptr && view_.strides != nullptr)); }
  const Py_buffer &view() const { return view_; }

 private:
  Py_buffer view_{};
  bool ok_;
};

using CastRow = void (*)(const char *from, Py_ssize_t stride, float *to, Py_ssize_t n);

template <typename T>
void cast_row(const char *from, Py_ssize_t stride, float *to, Py_ssize_t n) {
  if constexpr (std::is_same_v<T, float>) {
    if (stride == static_cast<Py_ssize_t>(sizeof(float))) {
      std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
      return;
    }
  }
  for (Py_ssize_t i = 0; i < n; ++i, from += stride) {
    T value;  // by copy: strided and unaligned arrays are allowed
    std::memcpy(&value, from, sizeof value);
    to[i] = static_cast<float>(value);
  }
}

// The function that reads a row of the view's native number type; null for other types (half, big-endian, objects).
inline CastRow cast_row_of(const Py_buffer &view) {
  const char *format = view.format == nullptr ? "B" : view.format;
  if (*format == '@' || *format == '=') ++format;
  if (format[0] == 0 || format[1] != 0) return nullptr;
  const bool is_signed = std::strchr("bhilqn", format[0]) != nullptr;
  if (is_signed || std::strchr("?BHILQN", format[0]) != nullptr) {
    switch (view.itemsize) {
      case 1: return is_signed ? cast_row<std::int8_t> : cast_row<std::uint8_t>;
      case 2: return is_signed ? cast_row<std::int16_t> : cast_row<std::uint16_t>;
      case 4: return is_signed ? cast_row<std::int32_t> : cast_row<std::uint32_t>;
      case 8: return is_signed ? cast_row<std::int64_t> : cast_row<std::uint64_t>;
      default: return nullptr;
    }
  }
  if (format[0] == 'f' && view.itemsize == sizeof(float)) return cast_row<float>;
  if (format[0] == 'd' && view.itemsize == sizeof(double)) return cast_row<double>;
  return nullptr;
}

}  // namespace edgeshard::bind
