// Graphs as Python has them: read from a file, looked at, and written.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "bind/gil.hpp"
#include "bind/hnsw.hpp"
#include "index/hnsw/census.hpp"

namespace edgeshard {
namespace {

void set_entries(Graph& graph, const EntryPairs& main, const EntryPairs& extra) {
    for (const auto& [point, level] : main) graph.entries.push_back({point, static_cast<uint32_t>(level)});
    for (const auto& [point, level] : extra) graph.extra_entries.push_back({point, static_cast<uint32_t>(level)});
    for (const auto* list : {&graph.entries, &graph.extra_entries})
        for (const EntryPoint& e : *list)
            if (e.point >= graph.points) throw nb::index_error("entry point out of range");
}

// (graph or None, what is wrong with the file, where).
nb::tuple open_graph(nb::object data, int kind, uint32_t m, uint32_t m0, const EntryPairs& entries,
                     const EntryPairs& extra) {
    if (kind < 1 || kind > 3) throw nb::value_error("kind: expected 1 plain, 2 compressed or 3 with vectors");
    auto out = std::make_unique<PyGraph>();
    out->file.emplace(data, "data", "B", "uint8", 1);
    out->graph.m = m;
    out->graph.m0 = m0;
    const Damage damage =
        out->graph.open(out->file->data<uint8_t>(), out->file->shape(0), static_cast<LinksKind>(kind));
    if (damage) return nb::make_tuple(nb::none(), damage.reason, damage.offset);
    set_entries(out->graph, entries, extra);
    return nb::make_tuple(nb::cast(out.release(), nb::rv_policy::take_ownership), "", 0);
}

nb::object links_of(const PyGraph& g, uint32_t point, size_t level) {
    if (point >= g.graph.points) throw nb::index_error("point out of range");
    Graph::Scratch scratch;
    const List l = g.graph.list(point, level, scratch);
    if (l.damaged) return nb::none();
    auto out = new_array<uint32_t>({l.count});
    if (l.count) std::memcpy(out.data, l.ids, l.count * 4);
    return out.array;
}

// Hands the file to put(bytes) in pieces.
void encode_graph(const PyGraph& g, nb::callable put, int kind, nb::object base, nb::object link, int base_align,
                  int link_align) {
    if (kind < 1 || kind > 3) throw nb::value_error("kind: expected 1 plain, 2 compressed or 3 with vectors");
    InlineShape shape;
    std::optional<Array> b, l;
    if (kind == 3) {
        b.emplace(base, "base", "B", "uint8", 2);
        l.emplace(link, "link", "B", "uint8", 2);
        if (b->shape(0) != g.graph.points || l->shape(0) != g.graph.points)
            throw nb::value_error("base, link: expected one row per point");
        const auto align = [](int a) { return a > 0 && a <= 128 && !(a & (a - 1)); };
        if (!align(base_align) || !align(link_align)) throw nb::value_error("alignments must be powers of two");
        shape = {b->shape(1), l->shape(1), static_cast<uint8_t>(base_align), static_cast<uint8_t>(link_align)};
    }
    if (g.graph.kind != LinksKind::memory && g.graph.verify()) throw nb::value_error("the graph is damaged");
    {
        GilRelease release;
        g.graph.encode({static_cast<LinksKind>(kind), shape, b ? b->data<uint8_t>() : nullptr,
                        l ? l->data<uint8_t>() : nullptr},
                       [&](const uint8_t* data, size_t size) {
                           GilAcquire acquire;
                           while_python_lives([&] { put(nb::bytes(data, size)); });
                       });
    }
}

nb::tuple verify_graph(const PyGraph& g) {
    Damage damage;
    {
        GilRelease release;
        damage = g.graph.verify();
    }
    return nb::make_tuple(damage.reason, damage.offset);
}

// (links (n,), mutual (n,), first point of four kinds of wrong ones or -1).
nb::tuple census_of(const PyGraph& g) {
    Census census;
    {
        GilRelease release;
        census = take_census(g.graph);
    }
    auto links = new_array<uint32_t>({census.links.size()});
    auto mutual = new_array<uint32_t>({census.mutual.size()});
    std::copy(census.links.begin(), census.links.end(), links.data);
    std::copy(census.mutual.begin(), census.mutual.end(), mutual.data);
    return nb::make_tuple(links.array, mutual.array, census.repeated, census.itself, census.stranger, census.misplaced);
}

nb::object unpacked_graph(const PyGraph& g) {
    auto out = std::make_unique<PyGraph>();
    {
        GilRelease release;
        out->graph = g.graph.unpacked();
    }
    return nb::cast(out.release(), nb::rv_policy::take_ownership);
}

// The inline vectors' (base_bytes, base_align, link_bytes, link_align).
nb::tuple inline_shape(const PyGraph& g) {
    const InlineShape& s = g.graph.inline_shape();
    return nb::make_tuple(s.base_bytes, s.base_align, s.link_bytes, s.link_align);
}

nb::object base_rows(const PyGraph& g) {
    std::vector<uint8_t> rows;
    if (g.graph.copy_base_rows(rows)) return nb::none();
    return nb::bytes(rows.data(), rows.size());
}

nb::object link_vectors(const PyGraph& g, uint32_t point) {
    if (point >= g.graph.points) throw nb::index_error("point out of range");
    Graph::Scratch scratch;
    const List l = g.graph.list(point, 0, scratch);
    const uint8_t* data = g.graph.link_vectors(point);
    if (l.damaged || !data) return nb::none();
    return nb::bytes(data, l.count * g.graph.inline_shape().link_bytes);
}

}  // namespace

void register_hnsw_graph(nb::module_& m) {
    nb::class_<PyGraph>(m, "HnswLinks", "The neighbour lists of an HNSW graph.")
        .def_prop_ro("points", [](const PyGraph& g) { return g.graph.points; })
        .def_prop_ro("m", [](const PyGraph& g) { return g.graph.m; })
        .def_prop_ro("m0", [](const PyGraph& g) { return g.graph.m0; })
        .def_prop_ro("kind", [](const PyGraph& g) { return static_cast<int>(g.graph.kind); })
        .def_prop_ro("size_bytes", [](const PyGraph& g) { return g.graph.size_bytes(); })
        .def_prop_ro("populations",
                     [](const PyGraph& g) {
                         std::vector<uint64_t> out;
                         for (size_t l = 0; l < g.graph.levels(); ++l) out.push_back(g.graph.population(l));
                         return out;
                     })
        .def_prop_ro("entries", [](const PyGraph& g) { return g.entries(false); })
        .def_prop_ro("extra_entries", [](const PyGraph& g) { return g.entries(true); })
        .def("links", &links_of, nb::arg("point"), nb::arg("level"))
        .def("encode", &encode_graph, nb::arg("put"), nb::arg("kind"), nb::arg("base") = nb::none(),
             nb::arg("link") = nb::none(), nb::arg("base_align") = 1, nb::arg("link_align") = 1)
        .def("verify", &verify_graph)
        .def("census", &census_of)
        .def("unpacked", &unpacked_graph)
        .def_prop_ro("inline_shape", &inline_shape)
        .def("base_rows", &base_rows)
        .def("link_vectors", &link_vectors, nb::arg("point"));
    m.def("hnsw_open", &open_graph, nb::arg("data"), nb::arg("kind"), nb::arg("m"), nb::arg("m0"), nb::arg("entries"),
          nb::arg("extra"), "(graph or None, what is wrong, at which byte).");
}

}  // namespace edgeshard
