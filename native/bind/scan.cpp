// Python face of the exact scans (kernels/scan.hpp) and of sparse brute force (kernels/sparse.hpp).
#include "bind/gil.hpp"
#include "bind/register.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include "bind/codes.hpp"
#include "bind/scan_args.hpp"
#include "kernels/mean_and_variance.hpp"
#include "kernels/mmr.hpp"
#include "kernels/queue_order.hpp"
#include "kernels/sparse.hpp"
#include "kernels/streaming_read.hpp"

using namespace edgeshard;
using IsaName = std::optional<std::string>;

namespace {

nb::tuple py_scan_topk(nb::object queries, nb::list chunks, nb::object mask, size_t k, int distance, unsigned threads,
                       IsaName isa, bool single) {
    const Array q = vectors(queries, "queries", 2);
    const RowsArgument r(chunks, q, q.shape(1));
    const MaskArgument m(mask, r.rows.count());
    const ScanOptions options = to_options(distance, threads, isa);
    k = std::min(k, r.rows.count());
    std::vector<std::vector<Hit>> hits;
    {
        GilRelease release;
        hits = scan_topk(r.rows, {q.data(), q.shape(0)}, m.data(), k, options);
    }
    return hits_to_python(hits, k, single);
}

nb::object py_score_matrix(nb::object queries, nb::list chunks, nb::object offsets, int distance, unsigned threads,
                           IsaName isa) {
    const Array q = vectors(queries, "queries", 2);
    const RowsArgument r(chunks, q, q.shape(1));
    const ScanOptions options = to_options(distance, threads, isa);
    std::optional<Array> o;
    if (!offsets.is_none()) o.emplace(checked_offsets(offsets, r.rows.count()));
    auto sims = new_array<float>({q.shape(0), o ? o->shape(0) : r.rows.count()});
    {
        GilRelease release;
        const Queries all{q.data(), q.shape(0)};
        if (o)
            score_offsets(r.rows, all, o->data<uint32_t>(), o->shape(0), sims.data, options);
        else
            scan_all(r.rows, all, sims.data, options);
    }
    return sims.array;
}

nb::tuple py_topk_listed(nb::object queries, nb::list chunks, nb::object offsets, size_t k, int distance,
                         unsigned threads, IsaName isa, bool single) {
    const Array q = vectors(queries, "queries", 2);
    const RowsArgument r(chunks, q, q.shape(1));
    const ScanOptions options = to_options(distance, threads, isa);
    const Array o = checked_offsets(offsets, r.rows.count());
    const size_t n = o.shape(0);
    k = std::min(k, n);
    std::vector<std::vector<Hit>> hits(q.shape(0));
    {
        GilRelease release;
        std::vector<float> sims(n * hits.size());
        score_offsets(r.rows, {q.data(), hits.size()}, o.data<uint32_t>(), n, sims.data(), options);
        for (size_t i = 0; i < hits.size(); ++i) {
            TopK top(k);
            for (size_t j = 0; j < n; ++j) top.offer(sims[i * n + j], o.data<uint32_t>()[j]);
            hits[i] = top.sorted();
        }
    }
    return hits_to_python(hits, k, single);
}

// The row tables of multi-vectors, checked against the number of rows.
struct PointsArgument {
    Array first, count;
    Points points;

    PointsArgument(nb::object first_rows, nb::object row_counts, size_t rows)
        : first(first_rows, "first", "I", "uint32", 1), count(row_counts, "count", "I", "uint32", 1),
          points{first.data<uint32_t>(), count.data<uint32_t>(), first.shape(0)} {
        if (count.shape(0) != points.n) throw nb::value_error("count: expected as many entries as in first");
        uint64_t last = 0;
        for (size_t p = 0; p < points.n; ++p)
            if (points.count[p]) last = std::max(last, uint64_t{points.first[p]} + points.count[p]);
        if (last > rows)
            throw nb::index_error(("first, count: a point ends at row " + std::to_string(last) + ", there are " +
                                   std::to_string(rows))
                                      .c_str());
    }
};

nb::tuple py_maxsim_topk(nb::object query, nb::list chunks, nb::object first, nb::object count, nb::object mask,
                         size_t k, int distance, unsigned threads, IsaName isa) {
    const Array q = vectors(query, "query", 2);
    const RowsArgument r(chunks, q, q.shape(1));
    const PointsArgument p(first, count, r.rows.count());
    const MaskArgument m(mask, p.points.n);
    const ScanOptions options = to_options(distance, threads, isa);
    std::vector<Hit> hits;
    {
        GilRelease release;
        hits = maxsim_topk(r.rows, p.points, {q.data(), q.shape(0)}, m.data(), k, options);
    }
    return hits_to_python(hits);
}

nb::object py_maxsim_offsets(nb::object query, nb::list chunks, nb::object first, nb::object count, nb::object offsets,
                             int distance, unsigned threads, IsaName isa) {
    const Array q = vectors(query, "query", 2);
    const RowsArgument r(chunks, q, q.shape(1));
    const PointsArgument p(first, count, r.rows.count());
    const Array o = checked_offsets(offsets, p.points.n);
    const ScanOptions options = to_options(distance, threads, isa);
    auto sims = new_array<float>({o.shape(0)});
    {
        GilRelease release;
        maxsim_offsets(r.rows, p.points, {q.data(), q.shape(0)}, o.data<uint32_t>(), o.shape(0), sims.data, options);
    }
    return sims.array;
}

// (m,) u32: the candidates by maximal marginal relevance. `bounds` says which rows are whose, None: one row each.
nb::object py_most_diverse(nb::object query, nb::object queries, nb::object stored, nb::object bounds, float balance,
                           size_t limit, int distance) {
    const Array wanted(query, "query", "f", "float32", 2), q(queries, "queries", "f", "float32", 2),
        s(stored, "stored", "f", "float32", 2);
    if (q.shape(0) != s.shape(0) || q.shape(1) != s.shape(1) || wanted.shape(1) != s.shape(1))
        throw nb::value_error("query, queries, stored: expected rows of one length, and as many queries as stored");
    if (s.shape(1) > kMaxDim || s.shape(0) > UINT32_MAX) throw nb::value_error("stored: too many rows or dimensions");
    Candidates candidates{q.data<float>(), s.data<float>(), s.shape(1), s.shape(0), s.shape(0), nullptr};
    std::vector<uint32_t> first, count;
    Points points{};
    if (!bounds.is_none()) {
        const Array b(bounds, "bounds", "lq", "int64", 1);
        const int64_t* ends = b.data<int64_t>();
        const size_t n = b.shape(0);
        if (n == 0 || ends[0] != 0 || static_cast<uint64_t>(ends[n - 1]) != s.shape(0) || !std::is_sorted(ends, ends + n))
            throw nb::value_error("bounds: expected ascending numbers from 0 to the number of rows");
        for (size_t i = 0; i + 1 < n; ++i) {
            first.push_back(static_cast<uint32_t>(ends[i]));
            count.push_back(static_cast<uint32_t>(ends[i + 1] - ends[i]));
        }
        points = {first.data(), count.data(), first.size()};
        candidates.n = points.n;
        candidates.points = &points;
    } else if (wanted.shape(0) != 1) {
        throw nb::value_error("query: expected one row");
    }
    const ScanOptions options = to_options(distance, 0, {});
    std::vector<uint32_t> chosen;
    {
        GilRelease release;
        chosen = most_diverse({wanted.data(), wanted.shape(0)}, candidates, balance, limit, options);
    }
    auto places = new_array<uint32_t>({chosen.size()});
    std::copy(chosen.begin(), chosen.end(), places.data);
    return places.array;
}

nb::tuple py_sparse_scores(nb::object q_indices, nb::object q_values, nb::object indptr, nb::object indices,
                           nb::object values, unsigned threads) {
    const Array qi(q_indices, "q_indices", "I", "uint32", 1), qv(q_values, "q_values", "f", "float32", 1);
    const Array p(indptr, "indptr", "lq", "int64", 1), i(indices, "indices", "I", "uint32", 1),
        v(values, "values", "f", "float32", 1);
    if (qi.shape(0) != qv.shape(0)) throw nb::value_error("q_values: expected as many entries as in q_indices");
    if (i.shape(0) != v.shape(0)) throw nb::value_error("values: expected as many entries as in indices");
    if (p.shape(0) == 0) throw nb::value_error("indptr: expected at least one entry");
    const SparseRows rows{p.data<int64_t>(), i.data<uint32_t>(), v.data<float>(), p.shape(0) - 1};
    for (size_t r = 0; r < rows.rows; ++r)
        if (rows.indptr[r] > rows.indptr[r + 1]) throw nb::value_error("indptr: entries must not decrease");
    if (rows.indptr[0] < 0 || static_cast<uint64_t>(rows.indptr[rows.rows]) > i.shape(0))
        throw nb::value_error("indptr: entries must lie between 0 and the number of indices");
    auto sims = new_array<float>({rows.rows});
    auto hits = new_array<uint32_t>({rows.rows});
    {
        GilRelease release;
        const SparseQuery query(qi.data<uint32_t>(), qv.data<float>(), qi.shape(0));
        sparse_scores(query, rows, sims.data, hits.data, threads);
    }
    return nb::make_tuple(sims.array, hits.array);
}

// Any contiguous buffer; benchmarks compare scans with it.
uint64_t py_streaming_read(nb::object data, unsigned threads) {
    Py_buffer view;
    if (PyObject_GetBuffer(data.ptr(), &view, PyBUF_C_CONTIGUOUS) != 0) throw nb::python_error();
    uint64_t out;
    {
        GilRelease release;
        out = streaming_read(view.buf, static_cast<size_t>(view.len), threads);
    }
    PyBuffer_Release(&view);
    return out;
}

// (n,) u32: places of descending scores in the order Qdrant's queue gives them back.
nb::object py_queue_order(nb::object scores) {
    const Array s(scores, "scores", "f", "float32", 1);
    const auto places = QueueOrder({s.data<float>(), s.shape(0)}).drained();
    auto made = new_array<uint32_t>({places.size()});
    std::copy(places.begin(), places.end(), made.data);
    return made.array;
}

std::pair<float, float> py_mean_and_variance(nb::object scores) {
    const Array s(scores, "scores", "f", "float32", 1);
    if (s.shape(0) < 2) throw nb::value_error("scores: a variance is of at least two");
    return mean_and_variance({s.data<float>(), s.shape(0)});
}

}  // namespace

void register_scan(nb::module_& m) {
    register_codes8(m);
    const auto threads = nb::arg("threads") = 0;
    const auto isa = nb::arg("isa") = nb::none();
    const auto single = nb::arg("single") = false;
    m.def("scan_topk", &py_scan_topk, nb::arg("queries"), nb::arg("chunks"), nb::arg("mask").none(), nb::arg("k"),
          nb::arg("distance"), threads, isa, single, "The k most similar rows for every query.");
    m.def("topk_listed", &py_topk_listed, nb::arg("queries"), nb::arg("chunks"), nb::arg("offsets"), nb::arg("k"),
          nb::arg("distance"), threads, isa, single, "scan_topk over distinct listed rows.");
    m.def("score_matrix", &py_score_matrix, nb::arg("queries"), nb::arg("chunks"), nb::arg("offsets").none(),
          nb::arg("distance"), threads, isa, "The similarity of every query with every (listed) row.");
    m.def("maxsim_topk", &py_maxsim_topk, nb::arg("query"), nb::arg("chunks"), nb::arg("first"), nb::arg("count"),
          nb::arg("mask").none(), nb::arg("k"), nb::arg("distance"), threads, isa,
          "The k points with the highest MaxSim.");
    m.def("maxsim_offsets", &py_maxsim_offsets, nb::arg("query"), nb::arg("chunks"), nb::arg("first"),
          nb::arg("count"), nb::arg("offsets"), nb::arg("distance"), threads, isa, "MaxSim of the listed points.");
    m.def("most_diverse", &py_most_diverse, nb::arg("query"), nb::arg("queries"), nb::arg("stored"),
          nb::arg("bounds").none(), nb::arg("balance"), nb::arg("limit"), nb::arg("distance"),
          "Places of candidates by maximal marginal relevance.");
    m.def("sparse_scores", &py_sparse_scores, nb::arg("q_indices"), nb::arg("q_values"), nb::arg("indptr"),
          nb::arg("indices"), nb::arg("values"), threads, "(similarity, common indices) of every sparse row.");
    m.def("queue_order", &py_queue_order, nb::arg("scores"), "The order Qdrant's queue puts equal scores in.");
    m.def("mean_and_variance", &py_mean_and_variance, nb::arg("scores"), "Mean and sample variance of float32 scores.");
    m.def("streaming_read", &py_streaming_read, nb::arg("data"), threads,
          "Reads all bytes once: the floor for the time of a scan.");
}
