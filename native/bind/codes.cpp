// Python face of exact search through byte codes (kernels/scan_codes.hpp).
#include "bind/codes.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <mutex>

#include "bind/gil.hpp"
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
    GilRelease release;
    std::unique_lock lock(self.mutex);
    if (self.codes.count() + array.shape(0) > UINT32_MAX) throw std::length_error("rows: more than 2^32 - 1 in all");
    self.codes.extend({array.data<char>(), array.shape(0)}, threads);
}

void update(SharedCodes& self, nb::object offsets, nb::object rows) {
    const Array array = float_rows(rows, self.codes.dim());
    const Array o = checked_offsets(offsets, self.codes.count());
    if (o.shape(0) != array.shape(0)) throw nb::value_error("rows: expected one row per offset");
    GilRelease release;
    std::unique_lock lock(self.mutex);
    self.codes.update(o.data<uint32_t>(), array.data<char>(), o.shape(0));
}

void make_nibbles(SharedCodes& self, unsigned threads) {
    GilRelease release;
    std::unique_lock lock(self.mutex);
    self.codes.make_nibbles(threads);
}

// The bytes of a part, which is added to `kept`.
const uint8_t* bytes_of(nb::handle part, const char* name, size_t expected, std::vector<Array>& kept) {
    kept.emplace_back(nb::borrow(part), name, "B", "uint8", 1);
    if (kept.back().shape(0) != expected)
        throw nb::value_error((std::string(name) + ": expected " + std::to_string(expected) + " bytes").c_str());
    return kept.back().data<uint8_t>();
}

// The rows of (codes, scale, error, norm); the arrays are added to `kept`.
CodeRows rows_of(nb::tuple parts, size_t rows, size_t stride, std::vector<Array>& kept) {
    if (parts.size() != 4) throw nb::value_error("parts: expected codes, scale, error and norm");
    const uint8_t* codes = bytes_of(parts[0], "codes", rows * stride, kept);
    const float* numbers[3];
    for (size_t i = 0; i < 3; ++i) {
        kept.emplace_back(parts[i + 1], "scale, error, norm", "f", "float32", 1);
        if (kept.back().shape(0) != rows) throw nb::value_error("scale, error, norm: expected one number per row");
        numbers[i] = kept.back().data<float>();
    }
    return {codes, stride, numbers[0], numbers[1], numbers[2], stride};
}

nb::object around(size_t dim, size_t rows, nb::tuple bytes, nb::object nibbles) {
    if (dim == 0 || dim > kMaxDim) throw nb::value_error("dim: expected 1 to 65536");
    if (rows > UINT32_MAX) throw nb::value_error("rows: more than 2^32 - 1");
    auto out = std::make_unique<SharedCodes>(dim, best_isa());
    out->borrowed.reserve(5);
    const CodeRows coded = rows_of(bytes, rows, code_stride(dim), out->borrowed);
    const uint8_t* halves =
        nibbles.is_none() ? nullptr : bytes_of(nibbles, "nibbles", rows * nibble_stride(dim), out->borrowed);
    out->codes.borrow(coded, halves, rows);
    return nb::cast(out.release(), nb::rv_policy::take_ownership);
}

template <class T>
nb::object view(const T* data, size_t n, nb::handle owner) {
    return nb::cast(nb::ndarray<nb::numpy, const T, nb::ndim<1>>(data, {n}, owner));
}

nb::tuple parts(nb::handle_t<SharedCodes> self) {
    SharedCodes& shared = nb::cast<SharedCodes&>(self);
    const std::shared_lock lock(shared.mutex);
    const CodeRows rows = shared.codes.rows();
    const size_t count = shared.codes.count();
    return nb::make_tuple(view(rows.codes, count * rows.stride, self), view(rows.scale, count, self),
                          view(rows.error, count, self), view(rows.norm, count, self));
}

nb::object nibbles(nb::handle_t<SharedCodes> self) {
    SharedCodes& shared = nb::cast<SharedCodes&>(self);
    const std::shared_lock lock(shared.mutex);
    if (!shared.codes.has_nibbles()) return nb::none();
    const CodeRows rows = shared.codes.nibbles();
    return view(rows.codes, shared.codes.count() * rows.stride, self);
}

// Rows of the codes, which never become fewer.
size_t count_of(SharedCodes& shared) {
    const std::shared_lock lock(shared.mutex);
    return shared.codes.count();
}

nb::object copies(SharedCodes& self, nb::object offsets) {
    auto out = std::make_unique<SharedCodes>(self.codes.dim(), best_isa());
    const Array o = checked_offsets(offsets, count_of(self));
    {
        GilRelease release;
        std::shared_lock lock(self.mutex);
        self.codes.copy_to(out->codes, o.data<uint32_t>(), o.shape(0));
    }
    return nb::cast(out.release(), nb::rv_policy::take_ownership);
}

// Copies of the codes of the listed rows; null if there are none.
const Codes8* copies_of(SharedCodes* copies, const Codes8& codes, const Selection& selection) {
    if (!copies) return nullptr;
    if (!selection.listed || copies->codes.count() != selection.n || copies->codes.dim() != codes.dim())
        throw nb::value_error("copies: expected those of the codes at the offsets");
    return &copies->codes;
}

nb::tuple search(SharedCodes& self, nb::object queries, nb::list chunks, nb::object mask, nb::object offsets, size_t k,
                 int distance, unsigned threads, IsaName isa, bool single, SharedCodes* copies) {
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
    selection.copies = copies_of(copies, self.codes, selection);
    k = std::min(k, o ? selection.n : r.rows.count());
    std::vector<std::vector<Hit>> hits;
    bool matching = true;
    {
        GilRelease release;
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
        .def_static("around", &around, nb::arg("dim"), nb::arg("rows"), nb::arg("bytes"), nb::arg("nibbles").none(),
                    "Codes that lie in memory as `parts` and `nibbles` gave them.")
        .def("parts", &parts, "(codes, scale, error, norm) where they lie, valid until rows are added.")
        .def("nibbles", &nibbles, "Half-byte codes with their numbers where they lie; None if there are none.")
        .def("search", &search, nb::arg("queries"), nb::arg("chunks"), nb::arg("mask").none(),
             nb::arg("offsets").none(), nb::arg("k"), nb::arg("distance"), threads, isa, nb::arg("single") = false,
             nb::arg("copies") = nb::none(), "What scan_topk returns, found through the codes.")
        .def("copies", &copies, nb::arg("offsets"), "The codes at some offsets side by side.")
        .def_prop_ro("count", [](SharedCodes& self) { return self.codes.count(); }, "Number of rows.")
        .def_prop_ro("has_nibbles", [](SharedCodes& self) { return self.codes.has_nibbles(); },
                     "Whether there are half-byte codes.")
        .def_prop_ro("dim", [](SharedCodes& self) { return self.codes.dim(); }, "Elements per row.")
        .def_prop_ro("size_bytes", [](SharedCodes& self) { return self.codes.size_bytes(); }, "Memory held.");
}
