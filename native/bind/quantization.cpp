// Python face of compressed vectors (native/index/quantized): a codec object made by one function per method.
#include "bind/register.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <cmath>
#include <memory>

#include "bind/scan_args.hpp"
#include "index/quantized/scan.hpp"
#include "index/quantized/turbo.hpp"
#include "support/thread_pool.hpp"

using namespace edgeshard;
using namespace edgeshard::quantized;
using IsaName = std::optional<std::string>;

namespace {

struct RecordCodec {
    std::shared_ptr<const Codec> codec;
};

void check_dim(size_t dim) {
    if (dim == 0 || dim > kMaxDim) throw nb::value_error("dim: expected 1 to 65536");
}

// `n` finite doubles from float64 values, or nothing for None.
std::vector<double> numbers(nb::handle object, const char* name, size_t n) {
    if (object.is_none()) return {};
    const Array array(object, name, "d", "float64", 1);
    if (array.shape(0) != n)
        throw nb::value_error((std::string(name) + ": expected " + std::to_string(n) + " numbers").c_str());
    const double* data = array.data<double>();
    return {data, data + n};
}

Array float_rows(nb::handle object, const char* name, size_t dim) {
    Array rows(object, name, "f", "float32", 2);
    if (rows.shape(1) != dim)
        throw nb::value_error((std::string(name) + ": expected " + std::to_string(dim) + " columns, got " +
                               std::to_string(rows.shape(1)))
                                  .c_str());
    return rows;
}

RecordCodec turbo_codec(size_t dim, unsigned bits, size_t padded, int distance, bool plus, bool rotate_padding,
                        nb::object shift, nb::object scale) {
    check_dim(dim);
    if (bits != 1 && bits != 2 && bits != 4 && bits != 8 && bits != 16)
        throw nb::value_error("bits: expected 1, 2, 4, 8 or 16");
    if (padded < dim || padded > 2 * kMaxDim || padded * bits % 8)
        throw nb::value_error("padded: expected at least dim components filling whole bytes");
    TurboOptions options{dim, to_distance(distance), bits, padded, rotate_padding, plus,
                         numbers(shift, "shift", padded), numbers(scale, "scale", padded)};
    if (options.shift.size() != options.scale.size()) throw nb::value_error("shift, scale: give both or none");
    for (size_t i = 0; i < options.scale.size(); ++i)
        if (!(std::isfinite(options.scale[i]) && options.scale[i] > 0 && std::isfinite(options.shift[i])))
            throw nb::value_error("shift, scale: expected finite numbers, scale above zero");
    return {std::make_shared<TurboCodec>(std::move(options))};
}

nb::object encode(const RecordCodec& self, nb::object rows, unsigned threads) {
    const Codec& codec = *self.codec;
    const Array in = float_rows(rows, "rows", codec.dim());
    auto out = new_array<uint8_t>({in.shape(0), codec.stride()});
    nb::gil_scoped_release release;
    const unsigned workers = threads_for(in.shape(0) * codec.dim() * 10, threads);
    parallel_for(in.shape(0), 64, workers, [&](size_t begin, size_t end) {
        codec.encode(in.data<float>() + begin * codec.dim(), end - begin, out.data + begin * codec.stride());
    });
    return out.array;
}

nb::object decode(const RecordCodec& self, nb::object records, unsigned threads) {
    const Codec& codec = *self.codec;
    const Array in(records, "records", "B", "uint8", 2);
    if (in.shape(1) != codec.stride())
        throw nb::value_error(("records: expected " + std::to_string(codec.stride()) + " bytes each").c_str());
    auto out = new_array<float>({in.shape(0), codec.dim()});
    bool done = true;
    {
        nb::gil_scoped_release release;
        const unsigned workers = threads_for(in.shape(0) * codec.dim() * 10, threads);
        parallel_for(in.shape(0), 64, workers, [&](size_t begin, size_t end) {
            if (!codec.decode(in.data<uint8_t>() + begin * codec.stride(), end - begin, out.data + begin * codec.dim()))
                done = false;
        });
    }
    if (!done) throw nb::value_error("records: this method keeps too little to make vectors of");
    return out.array;
}

nb::object rotate(const RecordCodec& self, nb::object rows) {
    const auto* codec = dynamic_cast<const TurboCodec*>(self.codec.get());
    if (!codec) throw nb::value_error("rotate: only TurboQuant rotates");
    const Array in = float_rows(rows, "rows", codec->dim());
    auto out = new_array<float>({in.shape(0), codec->options().padded});
    nb::gil_scoped_release release;
    codec->rotate(in.data<float>(), in.shape(0), out.data);
    return out.array;
}

// Chunks of records as rows of bytes.
struct RecordsArgument {
    std::vector<Array> arrays;
    Rows rows;

    RecordsArgument(nb::list chunks, const Codec& codec) : rows(ElementType::u8, codec.stride()) {
        arrays.reserve(chunks.size());
        for (nb::handle chunk : chunks) {
            arrays.emplace_back(chunk, "chunks", "B", "uint8", 2);
            if (arrays.back().shape(1) != codec.stride())
                throw nb::value_error(("chunks: expected records of " + std::to_string(codec.stride()) + " bytes, got " +
                                       std::to_string(arrays.back().shape(1)))
                                          .c_str());
            rows.add({arrays.back().data<char>(), arrays.back().shape(0)});
        }
        if (rows.count() > UINT32_MAX) throw nb::value_error("chunks: more than 2^32 - 1 rows");
    }
};

nb::tuple topk(const RecordCodec& self, nb::object queries, nb::list chunks, nb::object mask, nb::object offsets,
               size_t k, unsigned threads, IsaName isa) {
    const Array q = float_rows(queries, "queries", self.codec->dim());
    const RecordsArgument r(chunks, *self.codec);
    const MaskArgument m(mask, r.rows.count());
    Chosen chosen{nullptr, m.data(), r.rows.count()};
    std::optional<Array> o;
    if (!offsets.is_none()) {
        if (chosen.mask) throw nb::value_error("mask, offsets: give one of them");
        o.emplace(checked_offsets(offsets, r.rows.count()));
        chosen = {o->data<uint32_t>(), nullptr, o->shape(0)};
    }
    k = std::min(k, chosen.n);
    const Isa use = to_isa(isa);
    std::vector<std::vector<Hit>> hits;
    {
        nb::gil_scoped_release release;
        hits = top_rows(*self.codec, r.rows, q.data<float>(), q.shape(0), chosen, k, threads, use);
    }
    return hits_to_python(hits, k);
}

nb::object score(const RecordCodec& self, nb::object queries, nb::list chunks, nb::object offsets, unsigned threads,
                 IsaName isa) {
    const Array q = float_rows(queries, "queries", self.codec->dim());
    const RecordsArgument r(chunks, *self.codec);
    Chosen chosen{nullptr, nullptr, r.rows.count()};
    std::optional<Array> o;
    if (!offsets.is_none()) {
        o.emplace(checked_offsets(offsets, r.rows.count()));
        chosen = {o->data<uint32_t>(), nullptr, o->shape(0)};
    }
    auto out = new_array<float>({q.shape(0), chosen.n});
    const Isa use = to_isa(isa);
    nb::gil_scoped_release release;
    score_rows(*self.codec, r.rows, q.data<float>(), q.shape(0), chosen, out.data, threads, use);
    return out.array;
}

nb::object maxsim(const RecordCodec& self, nb::object query, nb::list chunks, nb::object first, nb::object count,
                  nb::object offsets, unsigned threads, IsaName isa) {
    const Array q = float_rows(query, "query", self.codec->dim());
    const RecordsArgument r(chunks, *self.codec);
    const Array f(first, "first", "I", "uint32", 1), c(count, "count", "I", "uint32", 1);
    if (f.shape(0) != c.shape(0)) throw nb::value_error("first, count: expected one of each per point");
    for (size_t i = 0; i < f.shape(0); ++i)
        if (uint64_t{f.data<uint32_t>()[i]} + c.data<uint32_t>()[i] > r.rows.count())
            throw nb::value_error("first, count: rows beyond the last");
    Chosen chosen{nullptr, nullptr, f.shape(0)};
    std::optional<Array> o;
    if (!offsets.is_none()) {
        o.emplace(checked_offsets(offsets, f.shape(0)));
        chosen = {o->data<uint32_t>(), nullptr, o->shape(0)};
    }
    auto out = new_array<float>({chosen.n});
    const Isa use = to_isa(isa);
    nb::gil_scoped_release release;
    score_points(*self.codec, r.rows, {f.data<uint32_t>(), c.data<uint32_t>()}, q.data<float>(), q.shape(0), chosen,
                 out.data, threads, use);
    return out.array;
}

}  // namespace

void register_quantization(nb::module_& m) {
    const auto threads = nb::arg("threads") = 0;
    const auto isa = nb::arg("isa") = nb::none();
    const auto offsets = nb::arg("offsets").none();
    nb::class_<RecordCodec>(m, "RecordCodec", "One way of compressing vectors; made by turbo_codec and the like.")
        .def_prop_ro("dim", [](const RecordCodec& self) { return self.codec->dim(); }, "Elements of a vector.")
        .def_prop_ro("stride", [](const RecordCodec& self) { return self.codec->stride(); }, "Bytes of a record.")
        .def("encode", &encode, nb::arg("rows"), threads, "Records (n, stride) of (n, dim) float32 rows.")
        .def("decode", &decode, nb::arg("records"), threads, "Approximate (n, dim) float32 rows of records.")
        .def("rotate", &rotate, nb::arg("rows"), "Rotated, scaled rows (n, padded): TurboQuant before coding.")
        .def("topk", &topk, nb::arg("queries"), nb::arg("chunks"), nb::arg("mask").none(), offsets, nb::arg("k"),
             threads, isa, "(offsets (q, k), sims (q, k), counts (q,)) of the k best rows, ties by offset.")
        .def("score", &score, nb::arg("queries"), nb::arg("chunks"), offsets, threads, isa,
             "Similarities (q, n) with all rows or those at offsets.")
        .def("maxsim", &maxsim, nb::arg("query"), nb::arg("chunks"), nb::arg("first"), nb::arg("count"), offsets,
             threads, isa, "MaxSim (n,) of all points or those at offsets; NaN without rows.");
    m.def("turbo_codec", &turbo_codec, nb::arg("dim"), nb::arg("bits"), nb::arg("padded"), nb::arg("distance"),
          nb::arg("plus"), nb::arg("rotate_padding"), nb::arg("shift").none(), nb::arg("scale").none(),
          "TurboQuant records.");
}
