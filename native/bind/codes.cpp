// Python face of exact search through byte codes (kernels/scan_codes.hpp).
#include "bind/codes.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <mutex>

#include "bind/scan_args.hpp"

using namespace edgeshard;
using IsaName = std::optional<std::string>;

namespace {

Array float_rows(nb::handle object, size_t dim) {
    Array rows(object, "rows", "f", "float32", 2);
    if (rows.shape(1) != dim)
        throw nb::value_error(("rows: expected " + std::to_string(dim) + " columns, got " + std::to_string(rows.shape(1)))
                                  .c_str());
    return rows;
}

void init(SharedCodes* self, size_t dim, IsaName isa) {
    if (dim == 0 || dim > kMaxDim) throw nb::value_error("dim: expected 1 to 65536");
    new (self) SharedCodes(dim, to_isa(isa));
}

void extend(SharedCodes& self, nb::object rows, unsigned threads) {
    const Array array = float_rows(rows, self.codes.dim());
    nb::gil_scoped_release release;
    std::unique_lock lock(self.mutex);
    if (self.codes.count() + array.shape(0) > UINT32_MAX) throw std::length_error("rows: more than 2^32 - 1 in all");
    self.codes.extend({array.data<char>(), array.shape(0)}, threads);
}

void update(SharedCodes& self, nb::object offsets, nb::object rows) {
    const Array array = float_rows(rows, self.codes.dim());
    const Array o = checked_offsets(offsets, self.codes.count());
    if (o.shape(0) != array.shape(0)) throw nb::value_error("rows: expected one row per offset");
    nb::gil_scoped_release release;
    std::unique_lock lock(self.mutex);
    self.codes.update(o.data<uint32_t>(), array.data<char>(), o.shape(0));
}

void make_nibbles(SharedCodes& self, unsigned threads) {
    nb::gil_scoped_release release;
    std::unique_lock lock(self.mutex);
    self.codes.make_nibbles(threads);
}

nb::tuple search(SharedCodes& self, nb::object queries, nb::list chunks, nb::object mask, nb::object offsets, size_t k,
                 int distance, unsigned threads, IsaName isa, bool single) {
    const Array q(queries, "queries", "f", "float32", 2);
    const RowsArgument r(chunks, q, q.shape(1));
    const MaskArgument m(mask, r.rows.count());
    const ScanOptions options = to_options(distance, threads, isa);
    if (options.distance == Distance::manhattan)
        throw nb::value_error("distance: codes bound Cosine, Euclid and Dot; use scan_topk for Manhattan");
    if (q.shape(1) != self.codes.dim())
        throw nb::value_error(("queries: expected " + std::to_string(self.codes.dim()) + " columns like the codes, got " +
                               std::to_string(q.shape(1)))
                                  .c_str());
    Selection selection{m.data()};
    std::optional<Array> o;
    if (!offsets.is_none()) {
        if (selection.mask) throw nb::value_error("mask, offsets: give one of them");
        o.emplace(checked_offsets(offsets, r.rows.count()));
        selection.listed = o->data<uint32_t>();
        selection.n = o->shape(0);
        if (selection.n == 0) return hits_to_python(std::vector<std::vector<Hit>>(q.shape(0)), 0, single);
    }
    k = std::min(k, o ? selection.n : r.rows.count());
    std::vector<std::vector<Hit>> hits;
    bool matching = true;
    {
        nb::gil_scoped_release release;
        std::shared_lock lock(self.mutex);
        matching = self.codes.count() == r.rows.count();
        if (matching) hits = scan_topk_codes(self.codes, r.rows, {q.data(), q.shape(0)}, selection, k, options);
    }
    if (!matching)
        throw nb::value_error(("chunks: expected " + std::to_string(self.codes.count()) + " rows like the codes, got " +
                               std::to_string(r.rows.count()))
                                  .c_str());
    return hits_to_python(hits, k, single);
}

}  // namespace

void register_codes8(nb::module_& m) {
    const auto threads = nb::arg("threads") = 0;
    const auto isa = nb::arg("isa") = nb::none();
    nb::class_<SharedCodes>(m, "Codes8", "Byte codes of float32 rows with proven error bounds, for exact search.")
        .def("__init__", &init, nb::arg("dim"), isa)
        .def("extend", &extend, nb::arg("rows"), threads, "Append the codes of (n, dim) float32 rows.")
        .def("update", &update, nb::arg("offsets"), nb::arg("rows"), "Encode the rows at these offsets again.")
        .def("make_nibbles", &make_nibbles, threads,
             "Keep half-byte codes of all rows, too, which searches of one query read first.")
        .def("search", &search, nb::arg("queries"), nb::arg("chunks"), nb::arg("mask").none(),
             nb::arg("offsets").none(), nb::arg("k"), nb::arg("distance"), threads, isa, nb::arg("single") = false,
             "What scan_topk returns, found through the codes.")
        .def_prop_ro("count", [](SharedCodes& self) { return self.codes.count(); }, "Number of rows.")
        .def_prop_ro("has_nibbles", [](SharedCodes& self) { return self.codes.has_nibbles(); },
                     "Whether there are half-byte codes.")
        .def_prop_ro("dim", [](SharedCodes& self) { return self.codes.dim(); }, "Elements per row.")
        .def_prop_ro("size_bytes", [](SharedCodes& self) { return self.codes.size_bytes(); }, "Memory held.");
}
