// CRC-32C and the records of the write-ahead log.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include <algorithm>
#include <cstring>

#include "bind/gil.hpp"
#include "bind/register.hpp"
#include "bind/wal_support.hpp"
#include "codec/crc32c.hpp"
#include "storage/wal_records.hpp"

using namespace edgeshard;
using bind::BytesView;

namespace {

constexpr size_t release_gil_from = 1 << 16;  // shorter work is done before another thread could have started

template <class Work>
auto without_gil(size_t bytes, Work work) {
    if (bytes < release_gil_from) return work();
    GilRelease release;
    return work();
}

uint32_t checksum(nb::handle data, uint32_t crc) {
    BytesView view(data);
    return without_gil(view.size(), [&] { return crc32c(crc, view.data(), view.size()); });
}

/// (record, crc): the record built as one object, for a single write.
nb::object record(nb::handle payload, uint32_t previous) {
    BytesView view(payload);
    const size_t n = view.size(), total = wal::record_bytes(n);
    nb::object bytes = nb::steal(PyBytes_FromStringAndSize(nullptr, Py_ssize_t(total)));
    if (!bytes.is_valid()) throw nb::python_error();
    uint8_t *out = reinterpret_cast<uint8_t *>(PyBytes_AS_STRING(bytes.ptr()));
    const uint64_t length = n;
    const uint32_t crc = without_gil(n, [&] {
        std::memcpy(out, &length, 8);
        if (n) std::memcpy(out + 8, view.data(), n);
        std::memset(out + 8 + n, 0, wal::padding(n));
        const uint32_t value = crc32c(wal_crc_start(previous), out, total - 4);
        std::memcpy(out + total - 4, &value, 4);
        return value;
    });
    return nb::make_tuple(bytes, crc);
}

/// (head, tail, crc): what comes before and behind a payload too large to copy.
nb::object frame(nb::handle payload, uint32_t previous) {
    BytesView view(payload);
    const uint64_t n = view.size();
    const uint32_t crc = without_gil(n, [&] { return wal::record_crc(previous, view.data(), n); });
    uint8_t tail[12] = {};
    std::memcpy(tail + wal::padding(n), &crc, 4);
    return nb::make_tuple(nb::bytes(&n, 8), nb::bytes(tail, wal::padding(n) + 4), crc);
}

nb::object scan(nb::handle data, size_t offset, uint32_t previous) {
    BytesView view(data);
    auto found = without_gil(view.size(), [&] { return wal::scan(view.data(), view.size(), offset, previous); });
    return nb::make_tuple(bind::owned_array(std::move(found.offsets)), bind::owned_array(std::move(found.lengths)),
                          found.end, found.crc, int(found.stop));
}

nb::object skip(nb::handle data, size_t offset, uint32_t previous, size_t most) {
    BytesView view(data);
    const auto at = without_gil(view.size(), [&] { return wal::skip(view.data(), view.size(), offset, previous, most); });
    return nb::make_tuple(at.records, at.offset, at.crc);
}

std::pair<std::optional<std::pair<size_t, uint32_t>>, size_t> inspect(nb::handle data, size_t offset, uint32_t previous) {
    BytesView view(data);
    const auto damage = without_gil(view.size(), [&] { return wal::inspect(view.data(), view.size(), offset, previous); });
    if (!damage.in_the_middle) return {std::nullopt, damage.stranger};
    return {std::pair(damage.resume, damage.crc), 0};
}

bool all_zero(nb::handle data) {
    BytesView view(data);
    return without_gil(view.size(), [&] {
        return std::all_of(view.data(), view.data() + view.size(), [](uint8_t byte) { return byte == 0; });
    });
}

size_t used(const BytesView &view) {
    size_t n = view.size();
    for (uint64_t word; n >= sizeof word; n -= sizeof word) {
        std::memcpy(&word, view.data() + n - sizeof word, sizeof word);
        if (word) break;
    }
    while (n && !view.data()[n - 1]) --n;
    return n;
}

/// Adds `gap` zero bytes and those of `data` up to the last that is not zero to a checksum: their number, the sum.
/// The sum stays as it is if there are none.
std::pair<size_t, uint32_t> extend(nb::handle data, uint64_t gap, uint32_t crc) {
    BytesView view(data);
    return without_gil(view.size(), [&] {
        const size_t count = used(view);
        if (count && gap) crc = crc32c_zeroes(crc, gap);
        return std::pair(count, count ? crc32c(crc, view.data(), count) : crc);
    });
}

}  // namespace

void register_wal(nb::module_ &m) {
    m.def("crc32c", checksum, nb::arg("data"), nb::arg("crc") = 0);
    m.def(
        "crc32c_portable",
        [](nb::handle data, uint32_t crc) {
            BytesView view(data);
            return crc32c_portable(crc, view.data(), view.size());
        },
        nb::arg("data"), nb::arg("crc") = 0);
    m.def("wal_crc", [](nb::handle data, uint32_t previous) { return checksum(data, wal_crc_start(previous)); },
          nb::arg("data"), nb::arg("previous"));
    m.def("wal_record", record, nb::arg("payload"), nb::arg("previous"));
    m.def("wal_frame", frame, nb::arg("payload"), nb::arg("previous"));
    m.def("wal_scan", scan, nb::arg("data"), nb::arg("offset"), nb::arg("previous"));
    m.def("wal_skip", skip, nb::arg("data"), nb::arg("offset"), nb::arg("previous"), nb::arg("most"));
    m.def("wal_inspect", inspect, nb::arg("data"), nb::arg("offset"), nb::arg("previous"));
    m.def("all_zero", all_zero, nb::arg("data"));
    m.def("extend_crc32c", extend, nb::arg("data"), nb::arg("gap"), nb::arg("crc"));
    register_wal_cbor(m);
}
