// Python face of compressed vectors (native/index/quantized): a codec object made by one function per method.
#include "bind/gil.hpp"
#include "bind/register.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>

#include "bind/records.hpp"
#include "bind/walk_codes.hpp"
#include "index/quantized/methods.hpp"
#include "index/quantized/scan.hpp"
#include "index/quantized/turbo.hpp"
#include "support/thread_pool.hpp"

using namespace edgeshard;
using namespace edgeshard::quantized;
using IsaName = std::optional<std::string>;

namespace {

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

// Finite floats, `n` of them.
std::vector<float> floats(nb::handle object, const char* name, size_t n) {
    const Array array(object, name, "f", "float32", 1);
    if (array.shape(0) != n)
        throw nb::value_error((std::string(name) + ": expected " + std::to_string(n) + " numbers").c_str());
    const float* data = array.data<float>();
    for (size_t i = 0; i < n; ++i)
        if (!std::isfinite(data[i])) throw nb::value_error((std::string(name) + ": expected finite numbers").c_str());
    return {data, data + n};
}

RecordCodec make_scalar(size_t dim, int distance, float alpha, float offset, float multiplier) {
    check_dim(dim);
    if (!(std::isfinite(alpha) && alpha >= 0 && std::isfinite(offset) && std::isfinite(multiplier)))
        throw nb::value_error("alpha, offset, multiplier: expected finite numbers, alpha not below zero");
    return {scalar_codec({dim, to_distance(distance), alpha, offset, multiplier})};
}

RecordCodec make_product(size_t dim, int distance, nb::object bounds, nb::object centroids) {
    check_dim(dim);
    const Array b(bounds, "bounds", "I", "uint32", 1);
    const uint32_t* ends = b.data<uint32_t>();
    const size_t n = b.shape(0);
    bool sound = n >= 2 && ends[0] == 0 && ends[n - 1] == dim;
    for (size_t i = 1; sound && i < n; ++i) sound = ends[i] > ends[i - 1];
    if (!sound) throw nb::value_error("bounds: expected ascending numbers from 0 to dim");
    const Array c(centroids, "centroids", "f", "float32", 2);
    if (c.shape(0) != 256 || c.shape(1) != dim) throw nb::value_error("centroids: expected 256 rows of dim numbers");
    const float* data = c.data<float>();
    return {product_codec({dim, to_distance(distance), {ends, ends + n}, {data, data + 256 * dim}})};
}

RecordCodec make_binary(size_t dim, int encoding, unsigned query_bits, size_t stride, nb::object mean,
                        nb::object deviation) {
    check_dim(dim);
    if (encoding < 0 || encoding > 2) throw nb::value_error("encoding: expected 0, 1 or 2");
    if (query_bits != 1 && query_bits != 4 && query_bits != 8) throw nb::value_error("query_bits: expected 1, 4 or 8");
    const auto kind = static_cast<BinaryEncoding>(encoding);
    if (stride < (binary_bits(dim, kind) + 7) / 8 || stride > kMaxDim)
        throw nb::value_error("stride: expected room for all bits");
    BinaryOptions options{dim, kind, query_bits, stride, {}, {}};
    if (kind != BinaryEncoding::one_bit) {
        options.mean = floats(mean, "mean", dim);
        options.deviation = floats(deviation, "deviation", dim);
    }
    return {binary_codec(std::move(options))};
}

nb::object train(nb::object rows, nb::object bounds, unsigned iterations, uint64_t seed, unsigned threads) {
    const Array r(rows, "rows", "f", "float32", 2), b(bounds, "bounds", "I", "uint32", 1);
    const size_t n = r.shape(0), dim = r.shape(1), groups = b.shape(0) ? b.shape(0) - 1 : 0;
    const uint32_t* ends = b.data<uint32_t>();
    if (n == 0 || groups == 0 || ends[0] != 0 || ends[groups] != dim) throw nb::value_error("bounds: expected 0 to dim");
    for (size_t g = 0; g < groups; ++g)
        if (ends[g] >= ends[g + 1]) throw nb::value_error("bounds: expected ascending numbers");
    auto out = new_array<float>({256, dim});
    GilRelease release;
    parallel_for(groups, 1, threads, [&](size_t begin, size_t end) {
        for (size_t g = begin; g < end; ++g) {
            const size_t first = ends[g], width = ends[g + 1] - first;
            std::vector<float> centroids(256 * width);
            train_centroids(r.data<float>() + first, n, dim, width, iterations, seed + g, centroids.data());
            for (size_t j = 0; j < 256; ++j)
                std::copy_n(centroids.data() + j * width, width, out.data + j * dim + first);
        }
    });
    return std::move(out.array);  // without the GIL no reference may be counted
}

nb::object encode(const RecordCodec& self, nb::object rows, unsigned threads) {
    const Codec& codec = *self.codec;
    const Array in = float_rows(rows, "rows", codec.dim());
    auto out = new_array<uint8_t>({in.shape(0), codec.stride()});
    GilRelease release;
    const unsigned workers = threads_for(in.shape(0) * codec.dim() * 10, threads);
    parallel_for(in.shape(0), 64, workers, [&](size_t begin, size_t end) {
        codec.encode(in.data<float>() + begin * codec.dim(), end - begin, out.data + begin * codec.stride());
    });
    return std::move(out.array);
}

nb::object decode(const RecordCodec& self, nb::object records, unsigned threads) {
    const Codec& codec = *self.codec;
    const Array in(records, "records", "B", "uint8", 2);
    if (in.shape(1) != codec.stride())
        throw nb::value_error(("records: expected " + std::to_string(codec.stride()) + " bytes each").c_str());
    auto out = new_array<float>({in.shape(0), codec.dim()});
    std::atomic<bool> done{true};
    {
        GilRelease release;
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
    GilRelease release;
    codec->rotate(in.data<float>(), in.shape(0), out.data);
    return std::move(out.array);
}

nb::tuple topk(const RecordCodec& self, nb::object queries, nb::list chunks, nb::object mask, nb::object offsets,
               size_t k, unsigned threads, IsaName isa, bool single) {
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
        GilRelease release;
        hits = top_rows(*self.codec, r.rows, q.data<float>(), q.shape(0), chosen, k, threads, use);
    }
    return hits_to_python(hits, k, single);
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
    GilRelease release;
    score_rows(*self.codec, r.rows, q.data<float>(), q.shape(0), chosen, out.data, threads, use);
    return std::move(out.array);
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
    GilRelease release;
    score_points(*self.codec, r.rows, {f.data<uint32_t>(), c.data<uint32_t>()}, q.data<float>(), q.shape(0), chosen,
                 out.data, threads, use);
    return std::move(out.array);
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
             threads, isa, nb::arg("single") = false,
             "(offsets (q, k), sims (q, k), counts (q,)) of the k best rows, ties by offset; of a single query the first "
             "two without places to spare.")
        .def("score", &score, nb::arg("queries"), nb::arg("chunks"), offsets, threads, isa,
             "Similarities (q, n) with all rows or those at offsets.")
        .def("maxsim", &maxsim, nb::arg("query"), nb::arg("chunks"), nb::arg("first"), nb::arg("count"), offsets,
             threads, isa, "MaxSim (n,) of all points or those at offsets; NaN without rows.");
    register_walk_codes(m);
    m.def("turbo_codec", &turbo_codec, nb::arg("dim"), nb::arg("bits"), nb::arg("padded"), nb::arg("distance"),
          nb::arg("plus"), nb::arg("rotate_padding"), nb::arg("shift").none(), nb::arg("scale").none(),
          "TurboQuant records.");
    const auto distance = nb::arg("distance");
    const auto dim = nb::arg("dim");
    m.def("scalar_codec", &make_scalar, dim, distance, nb::arg("alpha"), nb::arg("offset"), nb::arg("multiplier"),
          "Scalar quantization: one byte per component.");
    m.def("product_codec", &make_product, dim, distance, nb::arg("bounds"), nb::arg("centroids"),
          "Product quantization: one byte per group of components.");
    m.def("binary_codec", &make_binary, dim, nb::arg("encoding"), nb::arg("query_bits"), nb::arg("stride"),
          nb::arg("mean").none(), nb::arg("deviation").none(), "Binary quantization: one to two bits per component.");
    m.def("train_centroids", &train, nb::arg("rows"), nb::arg("bounds"), nb::arg("iterations"), nb::arg("seed"),
          threads, "Centroids (256, dim) of groups of components by Lloyd's algorithm.");
}
