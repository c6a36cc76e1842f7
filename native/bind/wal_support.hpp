// Small helpers shared by the write-ahead log's two binding files.
#pragma once
#include <nanobind/nanobind.h>

#include <string>
#include <string_view>
#include <vector>

#include "bind/owned.hpp"
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

/// The bytes of a Buffer as a NumPy array, copied.
inline nb::object to_u8_array(const cbor::Buffer &buffer) {
    return owned_array(std::vector<uint8_t>(buffer.data(), buffer.data() + buffer.size()));
}

}  // namespace edgeshard::bind

void register_wal_cbor(nb::module_ &m);
