// Strings between Python and the text code.
#pragma once
#include <nanobind/nanobind.h>

#include <cstdint>
#include <string_view>

#include "index/text_split.hpp"

namespace nb = nanobind;

inline edgeshard::text::SplitOptions split_options(int splitter, bool lowercase, bool folding) {
    using edgeshard::text::Splitter;
    if (splitter < 0 || splitter > static_cast<int>(Splitter::simple))
        throw nb::value_error("splitter: expected 0 (word), 1 (whitespace), 2 (code), 3 (code parts), 4 (whole) or 5 (simple)");
    return {static_cast<Splitter>(splitter), lowercase, folding};
}

// The UTF-8 bytes of a str, owned by it; a lone surrogate raises UnicodeEncodeError.
inline std::string_view utf8_of(nb::handle text) {
    Py_ssize_t size = 0;
    const char *bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    if (!bytes) throw nb::python_error();
    return {bytes, static_cast<std::size_t>(size)};
}

inline nb::object str_of(std::string_view token) {
    PyObject *made = PyUnicode_DecodeUTF8(token.data(), static_cast<Py_ssize_t>(token.size()), "replace");
    if (!made) throw nb::python_error();
    return nb::steal(made);
}
