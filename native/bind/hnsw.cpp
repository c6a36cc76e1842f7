// Python face of the HNSW graph (index/hnsw/).
#include "bind/register.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "bind/codes.hpp"
#include "bind/records.hpp"
#include "bind/walk_codes.hpp"
#include "index/hnsw/blocks.hpp"
#include "index/hnsw/census.hpp"
#include "index/hnsw/healer.hpp"
#include "index/hnsw/search.hpp"
#include "support/interrupt.hpp"
#include "support/thread_pool.hpp"

using namespace edgeshard;

namespace {

using Pairs = std::vector<std::tuple<uint32_t, uint64_t>>;

// Rows given as chunks alone: the first one (it may be empty) says what type and dimension they have.
RowsArgument rows_of(nb::list chunks) {
    if (!chunks.size()) throw nb::value_error("chunks: expected at least one array (it may have no rows)");
    const Array first = vectors(chunks[0], "chunks", 2);
    return RowsArgument(chunks, first, first.shape(1));
}

struct PySpace {
    RowsArgument rows;
    std::optional<Array> first, count;
    Space space;
    std::shared_mutex* codes_mutex = nullptr;
    std::shared_ptr<const quantized::Codec> codec;
    std::optional<RecordsArgument> records;

    PySpace(nb::list chunks, int distance, nb::object first_rows, nb::object row_counts, SharedCodes* codes,
            RecordCodec* compressed, std::optional<nb::list> record_chunks, PyWalkCodes* walk_codes)
        : rows(rows_of(chunks)), space{rows.rows, to_distance(distance), nullptr, {}} {
        if (compressed) set_records(*compressed, record_chunks);
        if (walk_codes) set_walk_codes(walk_codes->codes);
        if (codes) {
            if (codes->codes.dim() != rows.rows.dim() || codes->codes.count() < rows.rows.count())
                throw nb::value_error("codes: they are of other rows; extend or rebuild them");
            space.codes = &codes->codes;
            codes_mutex = &codes->mutex;
        }
        if (first_rows.is_none() != row_counts.is_none())
            throw nb::value_error("first, count: expected both or neither");
        if (!first_rows.is_none()) set_table(first_rows, row_counts);
    }

    // Holds changes of the codes off. Take it without the GIL.
    std::shared_lock<std::shared_mutex> lock() const {
        return codes_mutex ? std::shared_lock(*codes_mutex) : std::shared_lock<std::shared_mutex>();
    }

    void set_records(const RecordCodec& compressed, const std::optional<nb::list>& chunks) {
        codec = compressed.codec;
        space.records = codec.get();
        if (!chunks) {
            if (space.rows.type() != ElementType::u8 || space.rows.dim() != codec->stride())
                throw nb::value_error("records: the chunks are not records of this codec");
            return;
        }
        records.emplace(*chunks, *codec);
        if (codec->dim() != space.rows.dim() || records->rows.count() < space.rows.count())
            throw nb::value_error("record_chunks: they are of other rows");
        space.record_rows = &records->rows;
    }

    void set_walk_codes(const quantized::WalkCodes& walk_codes) {
        if (&walk_codes.codec() != codec.get() || walk_codes.count() < space.rows.count())
            throw nb::value_error("walk_codes: they are of other records");
        space.walk_codes = &walk_codes;
    }

    void set_table(nb::object first_rows, nb::object row_counts) {
        first.emplace(first_rows, "first", "I", "uint32", 1);
        count.emplace(row_counts, "count", "I", "uint32", 1);
        if (first->shape(0) != count->shape(0)) throw nb::value_error("count: expected as many entries as in first");
        space.table = {first->data<uint32_t>(), count->data<uint32_t>(), first->shape(0)};
        for (size_t p = 0; p < space.table.points; ++p)
            if (space.table.count[p] &&
                uint64_t{space.table.first[p]} + space.table.count[p] > rows.rows.count())
                throw nb::index_error("first, count: a point ends behind the last row");
    }
};

struct PyGraph {
    Graph graph;
    std::optional<Array> file;  // what a packed graph points into

    Pairs entries(bool extra) const {
        Pairs out;
        for (const EntryPoint& e : extra ? graph.extra_entries : graph.entries) out.emplace_back(e.point, e.level);
        return out;
    }
};

void set_entries(Graph& graph, const Pairs& main, const Pairs& extra) {
    for (const auto& [point, level] : main) graph.entries.push_back({point, static_cast<uint32_t>(level)});
    for (const auto& [point, level] : extra) graph.extra_entries.push_back({point, static_cast<uint32_t>(level)});
    for (const auto* list : {&graph.entries, &graph.extra_entries})
        for (const EntryPoint& e : *list)
            if (e.point >= graph.points) throw nb::index_error("entry point out of range");
}

// (graph or None, what is wrong with the file, where).
nb::tuple open_graph(nb::object data, int kind, uint32_t m, uint32_t m0, const Pairs& entries, const Pairs& extra) {
    if (kind < 1 || kind > 3) throw nb::value_error("kind: expected 1 plain, 2 compressed or 3 with vectors");
    auto out = std::make_unique<PyGraph>();
    out->file.emplace(data, "data", "B", "uint8", 1);
    out->graph.m = m;
    out->graph.m0 = m0;
    const Damage damage = out->graph.open(out->file->data<uint8_t>(), out->file->shape(0), static_cast<LinksKind>(kind));
    if (damage) return nb::make_tuple(nb::none(), damage.reason, damage.offset);
    set_entries(out->graph, entries, extra);
    return nb::make_tuple(nb::cast(out.release(), nb::rv_policy::take_ownership), "", 0);
}

// Calls back between batches; false to stop.
bool report(const nb::object* progress, const nb::object& cancel, size_t done, size_t total) {
    nb::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    if (progress && !progress->is_none()) (*progress)(done, total);
    return cancel.is_none() || !nb::cast<bool>(cancel());
}

std::vector<std::vector<uint32_t>> to_blocks(nb::list blocks, size_t limit) {
    std::vector<std::vector<uint32_t>> out;
    for (nb::handle block : blocks) {
        const Array a = checked_offsets(block, limit);
        out.emplace_back(a.data<uint32_t>(), a.data<uint32_t>() + a.shape(0));
    }
    return out;
}

constexpr size_t kReportEvery = 2048;  // points between two reports of progress

struct Cancelled {};  // cancel() said so inside a step

// Calls step(begin, end) for pieces of [from, to); false if cancelled between two of them.
template <class Step>
bool in_pieces(const nb::object* progress, const nb::object& cancel, size_t from, size_t to, size_t total, Step step) {
    for (size_t done = from; done < to; done += kReportEvery) {
        if (!report(progress, cancel, done, total)) return false;
        step(done, std::min(to, done + kReportEvery));
    }
    return true;
}

// Starts a builder from an older graph; false if cancelled.
bool adopt(Builder& builder, const Graph& old, std::vector<uint32_t> old_points, const nb::object& progress,
           const nb::object& cancel) {
    const size_t kept = old_points.size();
    Healer healer(builder, old, std::move(old_points));
    if (!in_pieces(&progress, cancel, 0, kept, builder.size(), [&](size_t a, size_t b) { healer.mend(a, b); }))
        return false;
    const auto link = [&](size_t a, size_t b) { healer.link_back(a, b); };
    if (!in_pieces(nullptr, cancel, 0, healer.additions(), healer.additions(), link)) return false;
    healer.finish();
    return true;
}

// The points of an old graph that the first offsets of a new one are; none unless the old graph can be adopted.
std::vector<uint32_t> adopted_points(const PyGraph* old, nb::object old_points, size_t count,
                                     const BuildOptions& options) {
    if (!old) return {};
    const Array a = checked_offsets(old_points, old->graph.points);
    if (a.shape(0) > count) throw nb::value_error("old_points: expected at most as many entries as in offsets");
    std::vector<uint32_t> points(a.data<uint32_t>(), a.data<uint32_t>() + a.shape(0));
    std::vector<uint8_t> seen(old->graph.points, 0);
    for (uint32_t p : points)
        if (seen[p]++) throw nb::value_error("old_points: a point is named twice");
    if (!Healer::can_adopt(old->graph, options)) points.clear();
    return points;
}

// None if cancelled.
nb::object build_graph(const PySpace& s, nb::object offsets, size_t total, uint32_t m, uint32_t m0, uint32_t ef_construct,
                       uint64_t seed, unsigned threads, nb::list blocks, uint32_t payload_m, uint32_t payload_m0,
                       nb::object progress, nb::object cancel, const PyGraph* old, nb::object old_points) {
    if (total > s.space.points()) throw nb::value_error("total: more than there are points");
    const Array o = checked_offsets(offsets, total);
    std::vector<uint32_t> points(o.data<uint32_t>(), o.data<uint32_t>() + o.shape(0));
    std::vector<uint8_t> alive(total, 0);
    for (uint32_t p : points)
        if (alive[p]++) throw nb::value_error("offsets: a point is named twice");
    const auto sets = to_blocks(blocks, total);
    const BuildOptions options{m, m0, std::max(ef_construct, 1u), seed, threads, false};
    std::vector<uint32_t> kept = adopted_points(old, old_points, points.size(), options);
    auto out = std::make_unique<PyGraph>();
    bool whole = true;
    {
        nb::gil_scoped_release release;
        const auto lock = s.lock();
        const size_t count = points.size(), first = kept.size();
        const InterruptScope asking([&] {
            if (!report(nullptr, cancel, 0, 0)) throw Cancelled{};
        });
        try {
            Builder builder(s.space, std::move(points), options);
            whole = (!first || adopt(builder, old->graph, std::move(kept), progress, cancel)) &&
                    in_pieces(&progress, cancel, first, count, count, [&](size_t a, size_t b) { builder.insert(a, b); });
            if (whole) out->graph = builder.finish(static_cast<uint32_t>(total));
            if (whole && !sets.empty() && payload_m0) {
                BuildOptions inner = options;
                inner.m = payload_m;
                inner.m0 = payload_m0;
                const BlockLinks extra = build_blocks(s.space, sets, &out->graph, alive,
                                                      m ? largest_block(out->graph, count) : 0, inner);
                out->graph = builder.finish(static_cast<uint32_t>(total), &extra.links);
                out->graph.entries.insert(out->graph.entries.end(), extra.entries.begin(), extra.entries.end());
            }
        } catch (const Cancelled&) {
            whole = false;
        }
    }
    if (!whole) return nb::none();
    if (!progress.is_none()) progress(o.shape(0), o.shape(0));
    return nb::cast(out.release(), nb::rv_policy::take_ownership);
}

// Where the rows of each query begin, and their end: `bounds`, or one row each.
std::vector<int64_t> row_bounds(nb::object bounds, size_t queries) {
    std::vector<int64_t> rows{0};
    if (bounds.is_none()) {
        for (size_t i = 1; i <= queries; ++i) rows.push_back(static_cast<int64_t>(i));
        return rows;
    }
    const Array b(bounds, "bounds", "lq", "int64", 1);
    rows.assign(b.data<int64_t>(), b.data<int64_t>() + b.shape(0));
    if (rows.empty()) throw nb::value_error("bounds: expected at least one entry");
    for (size_t i = 0; i < rows.size(); ++i)
        if (rows[i] < (i ? rows[i - 1] : 0) || rows[i] > static_cast<int64_t>(queries))
            throw nb::value_error("bounds: expected ascending row numbers of queries");
    return rows;
}

// A graph, its vectors, and the scratch memory of searches that are over, for the next ones.
class PySearcher {
public:
    PySearcher(PyGraph& graph, PySpace& space, bool fast)
        : graph_(graph.graph), space_(space.space), owner_(space), fast_(fast) {
        if (graph_.points > space_.points())
            throw nb::value_error(("graph: has " + std::to_string(graph_.points) + " points, the vectors " +
                                   std::to_string(space_.points()))
                                      .c_str());
    }

    // One query of one row: (offsets (n,), sims (n,)), or None if a list is damaged.
    nb::object search_one(nb::object query, size_t k, size_t ef, nb::object mask, int mode, double selectivity,
                          double held, size_t rescore, bool exact) {
        const Array q = vectors(query, "query", 2);
        if (element_type(q.format()) != space_.query_type() || q.shape(1) != space_.query_dim() || q.shape(0) != 1)
            throw nb::value_error("query: expected one row of the dtype and dimension of the stored vectors");
        const MaskArgument m(mask, graph_.points);
        if (mode < 0 || mode > 2) throw nb::value_error("mode: expected 0 walls, 1 acorn or 2 through");
        const SearchOptions options{std::min<size_t>(k, graph_.points), ef, m.data(), static_cast<FilterMode>(mode),
                                    selectivity, held, rescore};
        bool damaged = false;
        std::unique_ptr<Searcher> searcher;
        const std::vector<Hit>* hits = nullptr;
        {
            nb::gil_scoped_release release;
            const auto lock = owner_.lock();
            searcher = take(exact);
            hits = &searcher->search(q.data<char>(), 1, options);
            damaged = searcher->damaged();
        }
        if (damaged) return nb::none();
        auto offsets = new_array<uint32_t>({hits->size()});
        auto sims = new_array<float>({hits->size()});
        for (size_t i = 0; i < hits->size(); ++i) {
            offsets.data[i] = (*hits)[i].offset;
            sims.data[i] = (*hits)[i].sim;
        }
        give_back(std::move(searcher), exact, damaged);
        return nb::make_tuple(offsets.array, sims.array);
    }

    nb::tuple search(nb::object queries, nb::object bounds, size_t k, size_t ef, nb::object mask, int mode,
                     double selectivity, double held, size_t rescore, bool exact, unsigned threads) {
        const Array q = vectors(queries, "queries", 2);
        if (element_type(q.format()) != space_.query_type() || q.shape(1) != space_.query_dim())
            throw nb::value_error("queries: expected the dtype and dimension of the stored vectors");
        const MaskArgument m(mask, graph_.points);
        const std::vector<int64_t> rows = row_bounds(bounds, q.shape(0));
        if (mode < 0 || mode > 2) throw nb::value_error("mode: expected 0 walls, 1 acorn or 2 through");
        k = std::min<size_t>(k, graph_.points);
        const SearchOptions options{k, ef, m.data(), static_cast<FilterMode>(mode), selectivity, held, rescore};
        std::vector<std::vector<Hit>> hits(rows.size() - 1);
        bool damaged = false;
        {
            nb::gil_scoped_release release;
            const auto lock = owner_.lock();
            parallel_for(hits.size(), 1, threads, [&](size_t begin, size_t end) {
                std::unique_ptr<Searcher> searcher = take(exact);
                for (size_t i = begin; i < end; ++i)
                    hits[i] = searcher->search(q.data<char>() + static_cast<size_t>(rows[i]) * space_.query_bytes(),
                                               static_cast<size_t>(rows[i + 1] - rows[i]), options);
                give_back(std::move(searcher), exact, damaged);
            });
        }
        if (damaged) return nb::make_tuple(nb::none(), nb::none(), nb::none());
        return hits_to_python(hits, k);
    }

private:
    std::unique_ptr<Searcher> take(bool exact) {
        {
            const std::lock_guard<std::mutex> guard(mutex_);
            auto& pool = pool_[exact];
            // The one this thread used last, if there is: its memory is in this core's cache, that of others is not.
            auto at = std::find_if(pool.rbegin(), pool.rend(), [](const auto& idle) { return idle.first == this_thread(); });
            if (at == pool.rend()) at = pool.rbegin();
            if (at != pool.rend()) {
                std::unique_ptr<Searcher> out = std::move(at->second);
                pool.erase(std::next(at).base());
                return out;
            }
        }
        return std::make_unique<Searcher>(graph_, space_, !exact && space_.walks_on_codes(), lists());
    }
    // Made by the first search: a few ms for 30,000 points.
    const WalkLists* lists() {
        if (!fast_) return nullptr;
        std::call_once(lists_made_, [&] { lists_.emplace(graph_); });
        return lists_->usable() ? &*lists_ : nullptr;
    }
    void give_back(std::unique_ptr<Searcher> searcher, bool exact, bool& damaged) {
        const std::lock_guard<std::mutex> guard(mutex_);
        damaged = damaged || searcher->damaged();
        pool_[exact].emplace_back(this_thread(), std::move(searcher));
    }
    static std::thread::id this_thread() { return std::this_thread::get_id(); }

    const Graph& graph_;
    const Space& space_;
    const PySpace& owner_;
    const bool fast_;
    std::once_flag lists_made_;
    std::optional<WalkLists> lists_;
    std::mutex mutex_;
    std::vector<std::pair<std::thread::id, std::unique_ptr<Searcher>>> pool_[2];  // by who used it last
};

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
        nb::gil_scoped_release release;
        g.graph.encode({static_cast<LinksKind>(kind), shape, b ? b->data<uint8_t>() : nullptr,
                        l ? l->data<uint8_t>() : nullptr},
                       [&](const uint8_t* data, size_t size) {
                           nb::gil_scoped_acquire acquire;
                           put(nb::bytes(data, size));
                       });
    }
}

nb::tuple verify_graph(const PyGraph& g) {
    Damage damage;
    {
        nb::gil_scoped_release release;
        damage = g.graph.verify();
    }
    return nb::make_tuple(damage.reason, damage.offset);
}

// (links (n,), mutual (n,), first point of four kinds of wrong ones or -1).
nb::tuple census_of(const PyGraph& g) {
    Census census;
    {
        nb::gil_scoped_release release;
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
        nb::gil_scoped_release release;
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
    std::vector<uint8_t> rows(g.graph.points * g.graph.inline_shape().base_bytes);
    const Damage damage = g.graph.copy_base_rows(rows.data());
    if (damage) return nb::none();
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

void register_graph(nb::module_& m) {
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
        .def("encode", &encode_graph, nb::arg("put"), nb::arg("kind"), nb::arg("base") = nb::none(), nb::arg("link") = nb::none(),
             nb::arg("base_align") = 1, nb::arg("link_align") = 1)
        .def("verify", &verify_graph)
        .def("census", &census_of)
        .def("unpacked", &unpacked_graph)
        .def_prop_ro("inline_shape", &inline_shape)
        .def("base_rows", &base_rows)
        .def("link_vectors", &link_vectors, nb::arg("point"));
    m.def("hnsw_open", &open_graph, nb::arg("data"), nb::arg("kind"), nb::arg("m"), nb::arg("m0"), nb::arg("entries"),
          nb::arg("extra"), "(graph or None, what is wrong, at which byte).");
    m.def("hnsw_build", &build_graph, nb::arg("space"), nb::arg("offsets"), nb::arg("total"), nb::arg("m"),
          nb::arg("m0"), nb::arg("ef_construct"), nb::arg("seed"), nb::arg("threads"), nb::arg("blocks"),
          nb::arg("payload_m"), nb::arg("payload_m0"), nb::arg("progress").none(), nb::arg("cancel").none(),
         nb::arg("old").none() = nb::none(), nb::arg("old_points") = nb::none(),
          "The graph, or None if cancel() said so.");
}

}  // namespace

void register_hnsw(nb::module_& m) {
    nb::class_<PySpace>(m, "HnswSpace", "The vectors a graph is about.")
        .def(nb::init<nb::list, int, nb::object, nb::object, SharedCodes*, RecordCodec*, std::optional<nb::list>,
                      PyWalkCodes*>(),
             nb::arg("chunks"), nb::arg("distance"), nb::arg("first") = nb::none(), nb::arg("count") = nb::none(),
             nb::arg("codes").none() = nb::none(), nb::arg("records").none() = nb::none(),
             nb::arg("record_chunks").none() = nb::none(), nb::arg("walk_codes").none() = nb::none(),
             nb::keep_alive<1, 6>(), nb::keep_alive<1, 9>())
        .def_prop_ro("points", [](const PySpace& s) { return s.space.points(); })
        .def_prop_ro("has_codes", [](const PySpace& s) { return s.space.walks_on_codes(); });
    register_graph(m);
    nb::class_<PySearcher>(m, "HnswSearcher", "A graph together with its vectors.")
        .def(nb::init<PyGraph&, PySpace&, bool>(), nb::arg("graph"), nb::arg("space"), nb::arg("fast") = false,
             nb::keep_alive<1, 2>(), nb::keep_alive<1, 3>())
        .def("search_one", &PySearcher::search_one, nb::arg("query"), nb::arg("k"), nb::arg("ef"),
             nb::arg("mask").none(), nb::arg("mode"), nb::arg("selectivity"), nb::arg("held"), nb::arg("rescore"), nb::arg("exact"),
             "(offsets, sims) of one query, or None if a list is damaged.")
        .def("search", &PySearcher::search, nb::arg("queries"), nb::arg("bounds").none(), nb::arg("k"), nb::arg("ef"),
             nb::arg("mask").none(), nb::arg("mode"), nb::arg("selectivity"), nb::arg("held"), nb::arg("rescore"), nb::arg("exact"),
             nb::arg("threads"), "(offsets, sims, counts) as scan_topk, or Nones if a list is damaged.");
}
