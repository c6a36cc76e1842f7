// Arguments of the payload indexes: arrays and lists of str, checked once so that native code sees valid numbers only.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string_view>
#include <vector>

namespace edgeshard::bind {

namespace nb = nanobind;

template <class T> using Array = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

inline std::string_view utf8_of(nb::handle text) {
  Py_ssize_t size = 0;
  const char *bytes = PyUnicode_Check(text.ptr()) ? PyUnicode_AsUTF8AndSize(text.ptr(), &size) : nullptr;
  if (bytes == nullptr)
    throw nb::type_error("expected a list of str");
  return {bytes, size_t(size)};
}

inline std::vector<std::string_view> views_of(const nb::list &texts) {
  std::vector<std::string_view> views;
  views.reserve(texts.size());
  for (nb::handle text : texts)
    views.push_back(utf8_of(text));
  return views;
}

inline size_t checked_sum(const Array<uint32_t> &counts) {
  size_t total = 0;
  for (size_t i = 0; i < counts.size(); ++i)
    total += counts(i);
  return total;
}

inline void check_bounds(const Array<int64_t> &bounds, size_t size) {
  if (bounds.size() == 0 || bounds(0) < 0 || bounds(bounds.size() - 1) > int64_t(size))
    throw nb::value_error("bounds: expected count + 1 positions within numbers");
  for (size_t i = 1; i < bounds.size(); ++i)
    if (bounds(i) < bounds(i - 1))
      throw nb::value_error("bounds: expected ascending positions");
}

inline void check_below(const Array<uint32_t> &values, size_t limit, const char *message) {
  for (size_t i = 0; i < values.size(); ++i)
    if (values(i) >= limit)
      throw nb::value_error(message);
}

} // namespace edgeshard::bind
