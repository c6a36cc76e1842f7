// Vectors handed to Python as numpy arrays without a copy.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <utility>
#include <vector>

namespace edgeshard::bind {

// A one-dimensional numpy array that owns `values`.
template <class T> nanobind::object owned_array(std::vector<T> &&values) {
  auto *kept = new std::vector<T>(std::move(values));
  nanobind::capsule owner(kept, [](void *p) noexcept { delete static_cast<std::vector<T> *>(p); });
  return nanobind::cast(
      nanobind::ndarray<nanobind::numpy, T, nanobind::ndim<1>>(kept->data(), {kept->size()}, owner));
}

} // namespace edgeshard::bind
