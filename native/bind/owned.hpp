// Memory handed to Python as numpy arrays without a copy.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace edgeshard::bind {

// An array of `shape` that owns `held`, a vector or a string whose elements are taken for `Element`s of the same size.
template <class Element, class Held> nanobind::object owned_as(Held &&held, std::initializer_list<size_t> shape) {
  static_assert(!std::is_reference_v<Held> && sizeof(Element) == sizeof(typename Held::value_type));
  static Element none{}; // an empty vector may have no memory to point to
  auto kept = std::make_unique<Held>(std::move(held));
  nanobind::capsule owner(kept.get(), [](void *p) noexcept { delete static_cast<Held *>(p); });
  Held &values = *kept.release();
  auto *data = values.empty() ? &none : reinterpret_cast<Element *>(values.data());
  return nanobind::cast(nanobind::ndarray<nanobind::numpy, Element>(data, shape, owner));
}

// A one-dimensional array that owns `values`.
template <class T> nanobind::object owned_array(std::vector<T> &&values) {
  const size_t size = values.size();
  return owned_as<T>(std::move(values), {size});
}

// A one-dimensional uint8 array that owns `bytes`.
inline nanobind::object owned_bytes(std::string &&bytes) {
  const size_t size = bytes.size();
  return owned_as<uint8_t>(std::move(bytes), {size});
}

// A one-dimensional bool array that owns `marks`, all of them 0 or 1.
inline nanobind::object owned_mask(std::vector<uint8_t> &&marks) {
  const size_t size = marks.size();
  return owned_as<bool>(std::move(marks), {size});
}

// A one-dimensional array that owns the `count` elements at `values`.
template <class T> nanobind::object owned_array(std::unique_ptr<T[]> values, size_t count) {
  nanobind::capsule owner(values.get(), [](void *p) noexcept { delete[] static_cast<T *>(p); });
  return nanobind::cast(nanobind::ndarray<nanobind::numpy, T, nanobind::ndim<1>>(values.release(), {count}, owner));
}

} // namespace edgeshard::bind
