// Small helpers shared by the write-ahead log's two binding files.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>
#include <string_view>
#include <vector>

#include "codec/cbor.hpp"

namespace nb = nanobind;

namespace edgeshard::bind {

/// The memory of a contiguous bytes-like object, held until the view is destroyed.
class BytesView {
public:
    explicit BytesView(nb::handle object) {
        if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) throw nb::python_error();
    }
    BytesView(const BytesView &) = delete;
    BytesView &operator=(const BytesView &) = delete;
    ~BytesView() { PyBuffer_Release(&view_); }

    const uint8_t *data() const { return static_cast<const uint8_t *>(view_.buf); }
    size_t size() const { return size_t(view_.len); }

private:
    Py_buffer view_{};
};

inline nb::bytes to_bytes(const cbor::Buffer &buffer) { return nb::bytes(buffer.data(), buffer.size()); }

/// A one-dimensional NumPy array that owns the elements of `values`.
template <class T, class Vector>
nb::object to_array(Vector &&values) {
    using Owned = std::remove_cvref_t<Vector>;
    auto *owned = new Owned(std::move(values));
    nb::capsule owner(owned, [](void *p) noexcept { delete static_cast<Owned *>(p); });
    const size_t size = owned->size();
    static T none{};  // an empty vector may have no memory to point to
    T *data = size ? reinterpret_cast<T *>(owned->data()) : &none;
    return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {size}, owner));
}

/// The bytes of a Buffer as a NumPy array, copied.
inline nb::object to_u8_array(const cbor::Buffer &buffer) {
    return to_array<uint8_t>(std::vector<uint8_t>(buffer.data(), buffer.data() + buffer.size()));
}

}  // namespace edgeshard::bind

void register_wal_cbor(nb::module_ &m);
