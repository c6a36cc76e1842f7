// CBOR <-> Python objects, and the columnar form of upsert_points_raw.
#include <nanobind/stl/string.h>

#include "bind/gil.hpp"
#include "bind/wal_support.hpp"
#include "codec/cbor_json.hpp"
#include "codec/cbor_points.hpp"

using namespace edgeshard;
using namespace edgeshard::bind;
using cbor::Item;
using cbor::Reader;

namespace {

[[noreturn]] void refuse(const Reader &reader) {
    const std::string message = std::string(reader.error ? reader.error : "not CBOR") + " (byte " + std::to_string(reader.position()) + ")";
    throw nb::value_error(message.c_str());
}

// --- Python objects to CBOR -------------------------------------------------------------------------------------

void dump(nb::handle object, cbor::Writer &write, int depth);

void dump_int(nb::handle object, cbor::Writer &write) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
    if (!overflow) {
        if (value == -1 && PyErr_Occurred()) throw nb::python_error();
        return write.integer(value);
    }
    const unsigned long long large = PyLong_AsUnsignedLongLong(object.ptr());
    if (PyErr_Occurred()) throw nb::python_error();
    write.head(cbor::unsigned_int, large);
}

void dump_text(nb::handle object, cbor::Writer &write) {
    Py_ssize_t size = 0;
    const char *text = PyUnicode_AsUTF8AndSize(object.ptr(), &size);
    if (!text) throw nb::python_error();
    write.string({text, size_t(size)});
}

template <class T, class One>
void dump_rows(const Py_buffer &view, cbor::Writer &write, One one) {
    const T *data = static_cast<const T *>(view.buf);
    const size_t rows = view.ndim == 2 ? size_t(view.shape[0]) : 1, width = size_t(view.shape[view.ndim - 1]);
    if (view.ndim == 2) write.head(cbor::array, rows);
    for (size_t row = 0; row < rows; ++row) {
        write.head(cbor::array, width);
        write.out.reserve(width * 9);
        for (size_t i = 0; i < width; ++i) one(data[row * width + i]);
    }
}

/// float32 and uint32 arrays of one or two dimensions.
void dump_array(nb::handle object, cbor::Writer &write) {
    Py_buffer view;
    if (PyObject_GetBuffer(object.ptr(), &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0) throw nb::python_error();
    const std::string_view format = view.format ? view.format : "B";
    const bool shaped = view.ndim == 1 || view.ndim == 2;
    if (shaped && format == "f") dump_rows<float>(view, write, [&](float value) { write.f32(value); });
    else if (shaped && format == "I") dump_rows<uint32_t>(view, write, [&](uint32_t value) { write.head(cbor::unsigned_int, value); });
    PyBuffer_Release(&view);
    if (!shaped || (format != "f" && format != "I")) throw nb::type_error("only float32 and uint32 arrays can be logged");
}

void dump_dict(nb::handle object, cbor::Writer &write, int depth) {
    write.head(cbor::map, size_t(PyDict_Size(object.ptr())));
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(object.ptr(), &at, &key, &value);) {
        if (!PyUnicode_Check(key)) throw nb::type_error("a map key must be text");
        dump_text(key, write);
        dump(value, write, depth + 1);
    }
}

void dump(nb::handle object, cbor::Writer &write, int depth) {
    if (depth > cbor::max_depth) throw nb::value_error("nested too deeply");
    PyObject *o = object.ptr();
    if (o == Py_None) return write.null();
    if (PyBool_Check(o)) return write.boolean(o == Py_True);
    if (PyLong_Check(o)) return dump_int(object, write);
    if (PyFloat_Check(o)) return write.number(PyFloat_AS_DOUBLE(o));
    if (PyUnicode_Check(o)) return dump_text(object, write);
    if (PyDict_Check(o)) return dump_dict(object, write, depth);
    if (PyBytes_Check(o)) return write.blob(PyBytes_AS_STRING(o), size_t(PyBytes_GET_SIZE(o)));
    if (PyMemoryView_Check(o)) {
        BytesView view(object);
        return write.out.append(view.data(), view.size());
    }
    if (PyList_Check(o) || PyTuple_Check(o)) {
        const Py_ssize_t size = PySequence_Fast_GET_SIZE(o);
        write.head(cbor::array, size_t(size));
        for (Py_ssize_t i = 0; i < size; ++i) dump(PySequence_Fast_GET_ITEM(o, i), write, depth + 1);
        return;
    }
    dump_array(object, write);
}

nb::bytes dumps(nb::handle object) {
    cbor::Buffer buffer;
    cbor::Writer write(buffer);
    dump(object, write, 0);
    return to_bytes(buffer);
}

// --- CBOR to Python objects -------------------------------------------------------------------------------------

class Loader {
public:
    Loader(const void *data, size_t size) : reader(data, size) {}

    nb::object value() { return value(take(), 0); }
    Reader reader;

private:
    Item take() {
        Item item;
        if (!reader.next(item)) refuse(reader);
        return item;
    }
    [[noreturn]] void stop(const char *reason) {
        reader.fail(reason);
        refuse(reader);
    }
    nb::object value(const Item &item, int depth) {
        if (depth > cbor::max_depth) stop("nested too deeply");
        switch (item.major) {
            case cbor::unsigned_int: return nb::steal(PyLong_FromUnsignedLongLong(item.value));
            case cbor::negative_int: return negative(item.value);
            case cbor::bytes: return bytes(item);
            case cbor::text: return text(item);
            case cbor::array: return list(item, depth, false);
            case cbor::map: return dict(item, depth);
            default: return simple(item);
        }
    }
    nb::object simple(const Item &item) {
        if (item.is_float()) return nb::float_(item.number);
        if (item.is_null()) return nb::none();
        if (item.info != 20 && item.info != 21) stop(item.is_break() ? "a break without a list to end" : "an unknown simple value");
        return nb::bool_(item.info == 21);
    }
    nb::object negative(uint64_t magnitude) {
        if (magnitude >> 63) return nb::float_(-1.0 - double(magnitude));
        return nb::steal(PyLong_FromLongLong((long long)(~magnitude)));
    }
    nb::object text(const Item &item) {
        std::string_view string;
        if (!cbor::read_text(reader, item, scratch_, string)) refuse(reader);
        return nb::str(string.data(), string.size());
    }
    nb::object bytes(const Item &item) {
        std::string_view string;
        if (!cbor::read_bytes(reader, item, scratch_, string)) refuse(reader);
        return nb::bytes(string.data(), string.size());
    }
    nb::object list(const Item &item, int depth, bool payloads) {
        nb::list out;
        for (uint64_t i = 0; item.indefinite() || i < item.value; ++i) {
            const Item entry = take();
            if (entry.is_break() && item.indefinite()) break;
            out.append(payloads ? payload(entry) : value(entry, depth + 1));
        }
        return out;
    }
    nb::object payload(const Item &item) {
        if (item.is_null()) return nb::none();
        if (item.major != cbor::map) stop("a payload is a map");
        cbor::Buffer json;
        if (!cbor::to_json(reader, item, json)) refuse(reader);
        return to_bytes(json);
    }
    nb::object dict(const Item &item, int depth) {
        nb::dict out;
        for (uint64_t i = 0; item.indefinite() || i < item.value; ++i) {
            const Item head = take();
            if (head.is_break() && item.indefinite()) break;
            std::string_view string;
            if (!cbor::read_text(reader, head, scratch_, string)) refuse(reader);
            const nb::str key(string.data(), string.size());
            const bool one = string == "payload", many = string == "payloads";
            const Item entry = take();
            if (one) out[key] = payload(entry);
            else if (many && entry.major == cbor::array) out[key] = list(entry, depth + 1, true);
            else out[key] = value(entry, depth + 1);
        }
        return out;
    }

    cbor::Buffer scratch_;
};

nb::object loads(nb::handle data) {
    BytesView view(data);
    Loader loader(view.data(), view.size());
    nb::object out = loader.value();
    if (!loader.reader.done()) {
        loader.reader.fail("bytes behind the value");
        refuse(loader.reader);
    }
    return out;
}

// --- JSON text --------------------------------------------------------------------------------------------------

nb::bytes json_to_cbor(nb::handle json) {
    BytesView view(json);
    cbor::Buffer buffer;
    if (const char *error = cbor::from_json({reinterpret_cast<const char *>(view.data()), view.size()}, buffer)) throw nb::value_error(error);
    return to_bytes(buffer);
}

nb::bytes cbor_to_json(nb::handle data) {
    BytesView view(data);
    Reader reader(view.data(), view.size());
    cbor::Buffer json;
    Item item;
    if (!reader.next(item) || !cbor::to_json(reader, item, json) || !(reader.done() || reader.fail("bytes behind the value"))) refuse(reader);
    return to_bytes(json);
}

// --- upsert_points_raw as columns -------------------------------------------------------------------------------

using U64Array = nb::ndarray<const uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using I64Array = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using U8Array = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using BoolArray = nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AnyRows = nb::ndarray<nb::ro, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

struct IdArrays {
    std::vector<uint64_t> low, high;
    std::vector<uint8_t> is_uuid;
    U64Array numbers;  // keeps the caller's array alive
    cbor::Ids ids;
    size_t count = 0;
};

void take_ids(nb::handle source, IdArrays &out) {
    if (!nb::isinstance<nb::list>(source)) {
        out.numbers = nb::cast<U64Array>(source);
        out.count = out.numbers.shape(0);
        out.ids.low = out.numbers.data();
        return;
    }
    for (nb::handle id : nb::borrow<nb::list>(source)) {
        uint64_t low = 0, high = 0;
        const bool uuid = !PyLong_Check(id.ptr());
        if (uuid) {
            const nb::bytes raw = nb::cast<nb::bytes>(nb::getattr(id, "bytes"));
            for (size_t k = 0; k < 8 && raw.size() == 16; ++k) {
                high = high << 8 | uint8_t(raw.c_str()[k]);
                low = low << 8 | uint8_t(raw.c_str()[8 + k]);
            }
        } else {
            low = PyLong_AsUnsignedLongLong(id.ptr());
            if (PyErr_Occurred()) throw nb::python_error();
        }
        out.low.push_back(low);
        out.high.push_back(high);
        out.is_uuid.push_back(uuid);
    }
    out.count = out.low.size();
    out.ids = {out.low.data(), out.high.data(), out.is_uuid.data()};
}

I64Array checked_bounds(nb::handle bounds, size_t count, size_t bytes) {
    const auto array = nb::cast<I64Array>(bounds);
    if (array.shape(0) != count + 1) throw nb::value_error("bounds must have one entry more than there are points");
    int64_t last = 0;
    for (size_t i = 0; i <= count; ++i) {
        if (array.data()[i] < last || uint64_t(array.data()[i]) > bytes) throw nb::value_error("bounds must ascend inside the data");
        last = array.data()[i];
    }
    return array;
}

/// The columns of one call; holds the arrays until the encoder is done.
struct Columns {
    std::vector<cbor::VectorColumn> vectors;
    std::vector<std::string_view> payloads;
    std::vector<nb::object> alive;

    void add_vectors(nb::handle entry, size_t count) {
        const nb::tuple parts = nb::cast<nb::tuple>(entry);
        if (parts.size() != 3) throw nb::value_error("vectors are (name, rows, mask) tuples");
        cbor::VectorColumn column;
        column.name = nb::cast<std::string>(parts[0]);
        if (nb::isinstance<nb::tuple>(parts[1])) {
            const nb::tuple pair = nb::borrow<nb::tuple>(parts[1]);
            const auto data = nb::cast<U8Array>(pair[0]);
            column.data = data.data();
            const auto bounds = checked_bounds(pair[1], count, data.shape(0));
            column.bounds = bounds.data();
            keep(data), keep(bounds);
        } else {
            const auto rows = nb::cast<AnyRows>(parts[1]);
            if (rows.shape(0) != count) throw nb::value_error("a matrix must have one row per point");
            column.data = static_cast<const uint8_t *>(rows.data());
            column.row_bytes = rows.shape(1) * rows.itemsize();
            keep(rows);
        }
        if (!nb::handle(parts[2]).is_none()) {
            const auto mask = nb::cast<BoolArray>(parts[2]);
            if (mask.shape(0) != count) throw nb::value_error("a mask must have one entry per point");
            column.present = reinterpret_cast<const uint8_t *>(mask.data());
            keep(mask);
        }
        vectors.push_back(std::move(column));
    }

    void add_payloads(nb::handle source, size_t count) {
        if (source.is_none()) return;
        if (nb::isinstance<nb::tuple>(source)) {
            const nb::tuple pair = nb::borrow<nb::tuple>(source);
            const auto data = nb::cast<U8Array>(pair[0]);
            const auto bounds = checked_bounds(pair[1], count, data.shape(0));
            const char *text = reinterpret_cast<const char *>(data.data());
            for (size_t i = 0; i < count; ++i) {
                const size_t size = size_t(bounds.data()[i + 1] - bounds.data()[i]);
                payloads.push_back(size ? std::string_view(text + bounds.data()[i], size) : std::string_view());
            }
            return keep(data);
        }
        const nb::list list = nb::cast<nb::list>(source);
        if (list.size() != count) throw nb::value_error("payloads must have one entry per point");
        for (nb::handle payload : list) {
            if (payload.is_none()) {
                payloads.emplace_back();
                continue;
            }
            const nb::bytes text = nb::cast<nb::bytes>(payload);
            payloads.emplace_back(text.c_str(), text.size());
            alive.push_back(text);
        }
    }

private:
    template <class Array>
    void keep(const Array &array) {
        arrays_.push_back(std::make_shared<Array>(array));
    }
    std::vector<std::shared_ptr<void>> arrays_;
};

nb::bytes encode_upsert_raw(nb::handle ids, nb::list vectors, nb::handle payloads) {
    IdArrays id_arrays;
    take_ids(ids, id_arrays);
    Columns columns;
    for (nb::handle entry : vectors) columns.add_vectors(entry, id_arrays.count);
    columns.add_payloads(payloads, id_arrays.count);
    // The encoder writes into the bytes object itself: a large batch is not copied once more.
    const size_t expected = cbor::upsert_raw_size(id_arrays.count, columns.vectors, columns.payloads);
    PyObject *out = PyBytes_FromStringAndSize(nullptr, Py_ssize_t(expected));
    if (!out) throw nb::python_error();
    nb::object owner = nb::steal(out);
    cbor::Buffer buffer(PyBytes_AS_STRING(out), expected);
    size_t bad = 0;
    const char *error = nullptr;
    {
        GilRelease release;
        error = cbor::encode_upsert_raw(id_arrays.count, id_arrays.ids, columns.vectors, columns.payloads, buffer, bad);
    }
    if (error) throw nb::value_error(("payload " + std::to_string(bad) + ": " + error).c_str());
    if (!buffer.borrowed()) return to_bytes(buffer);
    out = owner.release().ptr();
    if (_PyBytes_Resize(&out, Py_ssize_t(buffer.size())) != 0) throw nb::python_error();
    return nb::steal<nb::bytes>(out);
}

nb::object ids_of(cbor::DecodedPoints &points) {
    bool numbers = true;
    for (const uint8_t uuid : points.is_uuid) numbers &= !uuid;
    if (numbers) return owned_array(std::move(points.low));
    const nb::object uuid_class = nb::module_::import_("uuid").attr("UUID");
    nb::list out;
    for (size_t i = 0; i < points.low.size(); ++i) {
        if (!points.is_uuid[i]) {
            out.append(nb::int_(points.low[i]));
            continue;
        }
        uint8_t raw[16];
        for (int k = 0; k < 8; ++k) raw[k] = uint8_t(points.high[i] >> 8 * (7 - k)), raw[8 + k] = uint8_t(points.low[i] >> 8 * (7 - k));
        out.append(uuid_class(nb::arg("bytes") = nb::bytes(raw, 16)));
    }
    return out;
}

nb::object vectors_of(const cbor::DecodedVectors &column, size_t count) {
    std::vector<int64_t> bounds(count + 1);
    std::vector<uint8_t> present(count);
    size_t next = 0;
    for (size_t i = 0; i < count; ++i) {
        bounds[i + 1] = bounds[i];
        if (next < column.points.size() && column.points[next] == i) {
            bounds[i + 1] = column.ends[next++];
            present[i] = 1;
        }
    }
    return nb::make_tuple(to_u8_array(column.data), owned_array(std::move(bounds)), owned_mask(std::move(present)));
}

/// (ids, {name: (data, bounds, present)}, payloads), or None when the record is another operation.
nb::object decode_upsert_raw(nb::handle data) {
    BytesView view(data);
    Reader reader(view.data(), view.size());
    cbor::Buffer scratch;
    Item top, item;
    std::string_view key;
    cbor::DecodedPoints points;
    bool found = false;
    if (!reader.next(top)) refuse(reader);
    if (top.major != cbor::map) return nb::none();
    for (uint64_t i = 0; top.indefinite() || i < top.value; ++i) {
        if (!reader.next(item)) refuse(reader);
        if (item.is_break() && top.indefinite()) break;
        if (!cbor::read_text(reader, item, scratch, key)) refuse(reader);
        const bool tag = key == "clock_tag";
        if (!tag && key != "upsert_points_raw") return nb::none();
        if (!reader.next(item)) refuse(reader);
        const bool read = tag ? reader.skip(item) : (!found || reader.fail("the operation twice")) && cbor::decode_points(reader, item, points);
        if (!read) refuse(reader);
        found |= !tag;
    }
    if (!found || !reader.done()) {
        reader.fail(found ? "bytes behind the value" : "no operation");
        refuse(reader);
    }
    const size_t count = points.low.size();
    nb::dict vectors;
    for (const auto &column : points.vectors) vectors[nb::str(column->name.data(), column->name.size())] = vectors_of(*column, count);
    nb::list payloads;
    for (size_t i = 0; i < count; ++i) {
        const int64_t start = points.payload_bounds[i];
        if (points.has_payload[i]) payloads.append(nb::bytes(points.payloads.data() + start, size_t(points.payload_bounds[i + 1] - start)));
        else payloads.append(nb::none());
    }
    return nb::make_tuple(ids_of(points), vectors, payloads);
}

}  // namespace

void register_wal_cbor(nb::module_ &m) {
    m.def("cbor_dumps", dumps, nb::arg("value").none());
    m.def("cbor_loads", loads, nb::arg("data"));
    m.def("json_to_cbor", json_to_cbor, nb::arg("json"));
    m.def("cbor_to_json", cbor_to_json, nb::arg("data"));
    m.def("encode_upsert_raw", encode_upsert_raw, nb::arg("ids"), nb::arg("vectors"), nb::arg("payloads").none());
    m.def("decode_upsert_raw", decode_upsert_raw, nb::arg("data"));
}
