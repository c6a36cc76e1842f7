// NumPy arrays in and out of native code, with little cost per call and messages that name the argument.
#pragma once
#include <Python.h>
#include <nanobind/nanobind.h>

#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>

namespace edgeshard {

namespace nb = nanobind;

// A C-contiguous buffer held for the life of this object (which must end with the GIL held).
class Array {
public:
    // `formats`: the accepted struct codes, e.g. "f" or "feB" ('e' half, 'f' float, 'B' u8, '?' bool, 'I' u32, 'l' and
    // 'q' i64, 'L' and 'Q' u64). `ndim`: required number of dimensions. Throws TypeError or ValueError.
    Array(nb::handle object, const char* name, const char* formats, const char* dtypes, int ndim) {
        if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) != 0) {
            PyErr_Clear();
            const std::string prefix = std::string(name) + ": expected a C-contiguous array of " + dtypes;
            if (PyObject_CheckBuffer(object.ptr()))
                throw nb::value_error((prefix + "; pass numpy.ascontiguousarray(...)").c_str());
            throw nb::type_error((prefix + ", got " + Py_TYPE(object.ptr())->tp_name).c_str());
        }
        held_ = true;
        const char* format = view_.format ? view_.format : "B";
        if (*format == '<' || *format == '=' || *format == '@') ++format;
        format_ = *format;
        if (format[0] == 0 || format[1] != 0 || !std::strchr(formats, format[0]))
            fail(nb::exception_type::type_error, name, std::string("expected dtype ") + dtypes + ", got format '" + format + "'");
        if (view_.ndim != ndim)
            fail(nb::exception_type::value_error, name, "expected " + std::to_string(ndim) + " dimensions, got " +
                                            std::to_string(view_.ndim));
    }
    Array(Array&& other) noexcept : view_(other.view_), format_(other.format_), held_(std::exchange(other.held_, false)) {}
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    Array& operator=(Array&&) = delete;
    ~Array() { release(); }

    template <class T = void>
    const T* data() const {
        return static_cast<const T*>(view_.buf);
    }
    size_t shape(int i) const { return static_cast<size_t>(view_.shape[i]); }
    char format() const { return format_; }

private:
    void release() {
        if (std::exchange(held_, false)) PyBuffer_Release(&view_);
    }
    [[noreturn]] void fail(nb::exception_type type, const char* name, const std::string& message) {
        const std::string full = std::string(name) + ": " + message;
        release();
        throw nb::builtin_exception(type, full.c_str());
    }

    Py_buffer view_;
    char format_ = 0;
    bool held_ = false;
};

// A fresh, uninitialised NumPy array; `data` points into it.
template <class T>
struct NewArray {
    nb::object array;
    T* data;
};

// Bits of a 16-bit float.
struct Half {
    uint16_t bits;
};

template <class T>
NewArray<T> new_array(std::initializer_list<size_t> shape) {
    // Looked up once, as the name of a type would be for every array.
    static PyObject* const empty = nb::object(nb::module_::import_("numpy").attr("empty")).release().ptr();
    static PyObject* const dtype = [] {
        const char* name = std::is_same_v<T, float>      ? "f4"
                           : std::is_same_v<T, Half>     ? "f2"
                           : std::is_same_v<T, uint32_t> ? "u4"
                           : std::is_same_v<T, uint64_t> ? "u8"
                           : std::is_same_v<T, uint8_t>  ? "u1"
                                                         : "i8";
        return nb::object(nb::module_::import_("numpy").attr("dtype")(name)).release().ptr();
    }();
    nb::object sizes;
    if (shape.size() == 1) {
        sizes = nb::steal(PyLong_FromSize_t(*shape.begin()));
    } else {
        sizes = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(shape.size())));
        Py_ssize_t i = 0;
        for (size_t n : shape) PyTuple_SetItem(sizes.ptr(), i++, PyLong_FromSize_t(n));
    }
    PyObject* const arguments[] = {sizes.ptr(), dtype};
    nb::object array = nb::steal(PyObject_Vectorcall(empty, arguments, 2, nullptr));
    if (!array.is_valid()) throw nb::python_error();
    Py_buffer view;
    if (PyObject_GetBuffer(array.ptr(), &view, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) != 0) throw nb::python_error();
    T* data = static_cast<T*>(view.buf);
    PyBuffer_Release(&view);  // the array keeps its memory
    return {std::move(array), data};
}

}  // namespace edgeshard
