#include "bind/gil.hpp"
#include "bind/walk_codes.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <string>

namespace edgeshard {
namespace {

using quantized::WalkCodes;

void check(const RecordCodec& codec) {
    if (!WalkCodes::possible(*codec.codec)) throw nb::value_error("codec: its records are walked on as they are");
}

nb::object build(const RecordCodec& codec, nb::list chunks, unsigned threads) {
    check(codec);
    const RecordsArgument records(chunks, *codec.codec);
    std::unique_ptr<PyWalkCodes> out;
    {
        GilRelease release;
        out.reset(new PyWalkCodes{std::nullopt, {codec.codec, records.rows, threads}});
    }
    return nb::cast(out.release(), nb::rv_policy::take_ownership);
}

nb::object around(const RecordCodec& codec, size_t count, nb::object data) {
    check(codec);
    Array memory(data, "data", "B", "uint8", 1);
    const size_t expected = count > UINT32_MAX ? 0 : WalkCodes::size_bytes(*codec.codec, count);
    const auto* bytes = memory.data<uint8_t>();
    if (memory.shape(0) != expected || count > UINT32_MAX)
        throw nb::value_error(("data: expected " + std::to_string(expected) + " bytes for " + std::to_string(count) +
                               " rows, got " + std::to_string(memory.shape(0)))
                                  .c_str());
    if (reinterpret_cast<uintptr_t>(bytes) % quantized::kListedAlignment)
        throw nb::value_error("data: expected memory aligned to a cache line");
    auto* out = new PyWalkCodes{std::move(memory), {codec.codec, count, bytes}};
    return nb::cast(out, nb::rv_policy::take_ownership);
}

nb::object data_of(nb::handle_t<PyWalkCodes> self) {
    const WalkCodes& codes = nb::cast<PyWalkCodes&>(self).codes;
    const size_t size = WalkCodes::size_bytes(codes.codec(), codes.count());
    return nb::cast(nb::ndarray<nb::numpy, const uint8_t, nb::ndim<1>>(codes.data(), {size}, self));
}

nb::object score(const PyWalkCodes& self, nb::object query, nb::object offsets, std::optional<std::string> isa) {
    const Array q(query, "query", "f", "float32", 1);
    if (q.shape(0) != self.codes.codec().dim()) throw nb::value_error("query: expected as many numbers as the codec has");
    const Array o = checked_offsets(offsets, self.codes.count());
    auto out = new_array<float>({o.shape(0)});
    const Isa use = to_isa(isa);
    GilRelease release;
    quantized::WalkComparer comparer(self.codes, use);
    comparer.use_query(q.data<float>());
    comparer.score(o.data<uint32_t>(), o.shape(0), out.data);
    return std::move(out.array);
}

}  // namespace

void register_walk_codes(nb::module_& m) {
    nb::class_<PyWalkCodes>(m, "WalkCodes", "Records laid out for graph walks: codes aligned to cache lines, floats apart.")
        .def_static("possible", [](const RecordCodec& codec) { return WalkCodes::possible(*codec.codec); },
                    nb::arg("codec"), "Whether records of a codec can be laid out like this.")
        .def_static("expected_bytes",
                    [](const RecordCodec& codec, size_t count) {
                        check(codec);
                        return WalkCodes::size_bytes(*codec.codec, count);
                    },
                    nb::arg("codec"), nb::arg("count"), "Size of the codes of so many rows.")
        .def_static("build", &build, nb::arg("codec"), nb::arg("chunks"), nb::arg("threads") = 0, "Copy records.")
        .def_static("around", &around, nb::arg("codec"), nb::arg("count"), nb::arg("data"),
                    "Codes that lie in memory, as `data` gave them.")
        .def("score", &score, nb::arg("query"), nb::arg("offsets"), nb::arg("isa") = nb::none(),
             "Similarities of a query, rounded to bytes, with the rows at offsets.")
        .def_prop_ro("count", [](const PyWalkCodes& self) { return self.codes.count(); }, "Number of rows.")
        .def_prop_ro("data", &data_of, "All bytes, (expected_bytes,).");
}

}  // namespace edgeshard
