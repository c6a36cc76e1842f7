// Searching graphs from Python, and what of them is registered together.
#include "bind/gil.hpp"
#include "bind/hnsw.hpp"

#include <nanobind/stl/optional.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include "index/hnsw/search.hpp"
#include "support/thread_pool.hpp"

using namespace edgeshard;

namespace {

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
            GilRelease release;
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
            GilRelease release;
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
            const auto mine = [](const auto& idle) { return idle.first == this_thread(); };
            auto at = std::find_if(pool.rbegin(), pool.rend(), mine);
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

}  // namespace

void register_hnsw(nb::module_& m) {
    nb::class_<PySpace>(m, "HnswSpace", "The vectors a graph is about.")
        .def(nb::init<nb::list, int, nb::object, nb::object, SharedCodes*, RecordCodec*, std::optional<nb::list>,
                      PyWalkCodes*>(),
             nb::arg("chunks"), nb::arg("distance"), nb::arg("first") = nb::none(), nb::arg("count") = nb::none(),
             nb::arg("codes").none() = nb::none(), nb::arg("records").none() = nb::none(),
             nb::arg("record_chunks").none() = nb::none(), nb::arg("walk_codes").none() = nb::none(),
             nb::keep_alive<1, 6>(), nb::keep_alive<1, 9>())
        .def_prop_ro("points", [](const PySpace& s) { return s.space.points(); });
    register_hnsw_graph(m);
    register_hnsw_build(m);
    nb::class_<PySearcher>(m, "HnswSearcher", "A graph together with its vectors.")
        .def(nb::init<PyGraph&, PySpace&, bool>(), nb::arg("graph"), nb::arg("space"), nb::arg("fast") = false,
             nb::keep_alive<1, 2>(), nb::keep_alive<1, 3>())
        .def("search_one", &PySearcher::search_one, nb::arg("query"), nb::arg("k"), nb::arg("ef"),
             nb::arg("mask").none(), nb::arg("mode"), nb::arg("selectivity"), nb::arg("held"), nb::arg("rescore"),
             nb::arg("exact"), "(offsets, sims) of one query, or None if a list is damaged.")
        .def("search", &PySearcher::search, nb::arg("queries"), nb::arg("bounds").none(), nb::arg("k"), nb::arg("ef"),
             nb::arg("mask").none(), nb::arg("mode"), nb::arg("selectivity"), nb::arg("held"), nb::arg("rescore"),
             nb::arg("exact"), nb::arg("threads"),
             "(offsets, sims, counts) as scan_topk, or Nones if a list is damaged.");
}
