// Python face of the sparse inverted index (index/sparse/).
#include "bind/gil.hpp"
#include "bind/register.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <cmath>
#include <mutex>
#include <shared_mutex>

#include "bind/owned.hpp"
#include "bind/scan_args.hpp"
#include "index/sparse/packed_index.hpp"
#include "index/sparse/plain_index.hpp"
#include "index/sparse/search.hpp"
#include "kernels/sums/sums.hpp"

using namespace edgeshard;

namespace {

// An index with what it reads from, safe for searches side by side and one change at a time.
struct PyIndex {
    std::unique_ptr<sparse::Index> index;
    std::optional<Array> file;  // of a compressed index; ends with the GIL held
    std::shared_mutex mutex;
};

struct PyPlain : PyIndex {
    PyPlain() { index = std::make_unique<sparse::PlainIndex>(); }
    sparse::PlainIndex& plain() { return static_cast<sparse::PlainIndex&>(*index); }
};

struct PyPacked : PyIndex {
    sparse::PackedIndex& packed() { return static_cast<sparse::PackedIndex&>(*index); }
};

struct QueryArgument {
    Array indices, values;
    QueryArgument(nb::handle i, nb::handle v)
        : indices(i, "indices", "I", "uint32", 1), values(v, "values", "f", "float32", 1) {
        if (indices.shape(0) != values.shape(0)) throw nb::value_error("values: expected as many entries as in indices");
    }
    sparse::Damage terms(PyIndex& self, std::vector<sparse::Term>& out) const {
        return sparse::find_terms(*self.index, indices.data<uint32_t>(), values.data<float>(), indices.shape(0), out);
    }
};

// A damaged file found while reading is a RuntimeError with the reason and the place; Python names the file.
void raise_damage(const sparse::Damage& damage) {
    if (!damage) return;
    nb::object arguments = nb::make_tuple(damage.reason.c_str(), damage.offset);
    PyErr_SetObject(PyExc_RuntimeError, arguments.ptr());
    throw nb::python_error();
}

// Offsets with CSR rows.
struct RowsOfOffsets {
    Array offsets, indptr, indices;
    RowsOfOffsets(nb::handle o, nb::handle p, nb::handle i)
        : offsets(o, "offsets", "I", "uint32", 1), indptr(p, "indptr", "lq", "int64", 1),
          indices(i, "indices", "I", "uint32", 1) {
        if (indptr.shape(0) != offsets.shape(0) + 1) throw nb::value_error("indptr: expected one entry more than offsets");
        const int64_t* at = indptr.data<int64_t>();
        for (size_t r = 0; r < count(); ++r)
            if (at[r] > at[r + 1]) throw nb::value_error("indptr: entries must not decrease");
        if (at[0] < 0 || static_cast<uint64_t>(at[count()]) > indices.shape(0))
            throw nb::value_error("indptr: entries must lie between 0 and the number of indices");
    }
    size_t count() const { return offsets.shape(0); }
    sparse::Rows rows() const {
        return {offsets.data<uint32_t>(), indptr.data<int64_t>(), indices.data<uint32_t>(), count()};
    }
};

void put(PyPlain& self, nb::object offsets, nb::object indptr, nb::object indices, nb::object values) {
    const RowsOfOffsets rows(offsets, indptr, indices);
    const Array v(values, "values", "f", "float32", 1);
    if (v.shape(0) != rows.indices.shape(0)) throw nb::value_error("values: expected as many entries as in indices");
    GilRelease release;
    const std::unique_lock lock(self.mutex);
    self.plain().put(rows.rows(), v.data<float>());
}

void take_out(PyPlain& self, nb::object offsets, nb::object indptr, nb::object indices) {
    const RowsOfOffsets rows(offsets, indptr, indices);
    GilRelease release;
    const std::unique_lock lock(self.mutex);
    self.plain().remove(rows.rows());
}

sparse::WeightType weight_type(int code) {
    if (code < 0 || code > 2) throw nb::value_error("weights: expected 0 float32, 1 float16 or 2 uint8");
    return static_cast<sparse::WeightType>(code);
}

nb::tuple encode(PyPlain& self, int weights) {
    const auto type = weight_type(weights);
    std::vector<uint8_t> data;
    std::vector<uint32_t> dimensions;
    {
        GilRelease release;
        const std::shared_lock lock(self.mutex);
        data = self.plain().encode(type);
        dimensions = self.plain().dimensions();
    }
    return nb::make_tuple(bind::owned_array(std::move(data)), bind::owned_array(std::move(dimensions)));
}

nb::tuple open_file(nb::object data, size_t count, int weights, uint64_t points, uint64_t vectors, nb::object dimensions,
               nb::object slots) {
    const auto type = weight_type(weights);
    const Array d(dimensions, "dimensions", "I", "uint32", 1), s(slots, "slots", "I", "uint32", 1);
    if (d.shape(0) != s.shape(0)) throw nb::value_error("slots: expected as many entries as in dimensions");
    auto out = std::make_unique<PyPacked>();
    out->file.emplace(data, "data", "B", "uint8", 1);
    std::vector<std::pair<uint32_t, uint32_t>> map(d.shape(0));
    for (size_t i = 0; i < map.size(); ++i) {
        map[i] = {d.data<uint32_t>()[i], s.data<uint32_t>()[i]};
        if (map[i].second >= count) throw nb::index_error("slots: there are fewer posting lists");
    }
    std::sort(map.begin(), map.end());
    auto index = std::make_unique<sparse::PackedIndex>();
    const sparse::Damage damage = index->open(out->file->data<uint8_t>(), out->file->shape(0), count, type, points, vectors, std::move(map));
    if (damage) return nb::make_tuple(nb::none(), damage.reason.c_str(), damage.offset);
    out->index = std::move(index);
    return nb::make_tuple(nb::cast(out.release(), nb::rv_policy::take_ownership), "", 0);
}

void check(PyPacked& self) {
    sparse::Damage damage;
    {
        GilRelease release;
        damage = self.packed().check();
    }
    raise_damage(damage);
}

struct Answer {
    std::vector<Hit> hits;
    sparse::SearchStats stats;
};

Answer run(PyIndex& self, const QueryArgument& query, const Array& mask, size_t k, bool zeros) {
    Answer out;
    sparse::Damage damage;
    {
        GilRelease release;
        const std::shared_lock lock(self.mutex);
        std::vector<sparse::Term> terms;
        damage = query.terms(self, terms);
        if (!damage) out.hits = sparse::search(terms, mask.data<uint8_t>(), mask.shape(0), k, zeros, &out.stats);
    }
    raise_damage(damage);
    return out;
}

nb::tuple search(PyIndex& self, nb::object indices, nb::object values, nb::object mask, size_t k, bool zeros) {
    const Array m(mask, "mask", "?", "bool", 1);
    const Answer answer = run(self, QueryArgument(indices, values), m, k, zeros);
    auto offsets = new_array<uint32_t>({answer.hits.size()});
    auto sims = new_array<float>({answer.hits.size()});
    for (size_t i = 0; i < answer.hits.size(); ++i) {
        offsets.data[i] = answer.hits[i].offset;
        sims.data[i] = answer.hits[i].sim;
    }
    return nb::make_tuple(offsets.array, sims.array);
}

nb::tuple search_stats(PyIndex& self, nb::object indices, nb::object values, nb::object mask, size_t k) {
    const Array m(mask, "mask", "?", "bool", 1);
    const auto stats = run(self, QueryArgument(indices, values), m, k, false).stats;
    return nb::make_tuple(stats.summed, stats.looked_up, stats.skipped);
}

nb::tuple score(PyIndex& self, nb::object indices, nb::object values, nb::object offsets) {
    const QueryArgument query(indices, values);
    const Array o(offsets, "offsets", "I", "uint32", 1);
    for (size_t i = 1; i < o.shape(0); ++i)
        if (o.data<uint32_t>()[i - 1] >= o.data<uint32_t>()[i]) throw nb::value_error("offsets: expected ascending entries");
    auto sims = new_array<float>({o.shape(0)});
    auto hits = new_array<uint32_t>({o.shape(0)});
    sparse::Damage damage;
    {
        GilRelease release;
        const std::shared_lock lock(self.mutex);
        std::vector<sparse::Term> terms;
        damage = query.terms(self, terms);
        if (!damage) sparse::score(terms, o.data<uint32_t>(), o.shape(0), sims.data, hits.data);
    }
    raise_damage(damage);
    return nb::make_tuple(sims.array, hits.array);
}

nb::object frequencies(PyIndex& self, nb::object indices, nb::object mask) {
    const Array i(indices, "indices", "I", "uint32", 1);
    std::optional<Array> m;
    if (!mask.is_none()) m.emplace(mask, "mask", "?", "bool", 1);
    auto counts = new_array<int64_t>({i.shape(0)});
    sparse::Damage damage;
    {
        GilRelease release;
        const std::shared_lock lock(self.mutex);
        for (size_t q = 0; q < i.shape(0) && !damage; ++q) {
            const uint32_t dimension = i.data<uint32_t>()[q];
            if (!m) {
                counts.data[q] = static_cast<int64_t>(self.index->length(dimension));
                continue;
            }
            sparse::List list;
            damage = self.index->find(dimension, list);
            counts.data[q] = damage ? 0 : static_cast<int64_t>(sparse::count_marked(list, m->data<uint8_t>(), m->shape(0)));
        }
    }
    raise_damage(damage);
    return counts.array;
}

// values * ln(1 + (N - df + 0.5) / (df + 0.5)), N and df added up over the indexes.
nb::object idf_weights(nb::list indexes, nb::object indices, nb::object values) {
    const QueryArgument query(indices, values);
    const size_t n = query.indices.shape(0);
    auto weights = new_array<float>({n});
    std::vector<uint64_t> frequency(n, 0);
    uint64_t total = 0;
    for (nb::handle handle : indexes) {
        PyIndex& self = nb::cast<PyIndex&>(handle);
        const std::shared_lock lock(self.mutex);
        total += self.index->vectors();
        for (size_t i = 0; i < n; ++i) frequency[i] += self.index->length(query.indices.data<uint32_t>()[i]);
    }
    for (size_t i = 0; i < n; ++i) {
        const double df = static_cast<double>(frequency[i]), rest = static_cast<double>(total) - df;
        weights.data[i] = query.values.data<float>()[i] * static_cast<float>(std::log1p((rest + 0.5) / (df + 0.5)));
    }
    return weights.array;
}

uint64_t count_vectors(PyIndex& self) {
    const std::shared_lock lock(self.mutex);
    return self.index->vectors();
}

// (n,) u8, 0 or 1: which sums are above a bar and not 0, by the kernel of an instruction set.
nb::object above(nb::object sums, float least, std::optional<std::string> isa) {
    const Array s(sums, "sums", "f", "float32", 1);
    const size_t n = s.shape(0), groups = n / kSumGroup;
    if (n % kSumGroup) throw nb::value_error("sums: expected a multiple of 64 entries");
    std::vector<uint64_t> bits(groups);
    sums_above(to_isa(isa))(s.data<float>(), groups, least, bits.data());
    auto out = new_array<uint8_t>({n});
    for (size_t i = 0; i < n; ++i) out.data[i] = bits[i / kSumGroup] >> i % kSumGroup & 1;
    return out.array;
}

}  // namespace

void register_sparse(nb::module_& m) {
    using namespace nb::literals;
    nb::class_<PyIndex>(m, "SparseIndex")
        .def("search", &search, "indices"_a, "values"_a, "mask"_a, "k"_a, "zeros"_a = false)
        .def("search_stats", &search_stats, "indices"_a, "values"_a, "mask"_a, "k"_a)
        .def("score", &score, "indices"_a, "values"_a, "offsets"_a)
        .def("frequencies", &frequencies, "indices"_a, "mask"_a = nb::none())
        .def_prop_ro("vectors", &count_vectors);
    nb::class_<PyPlain, PyIndex>(m, "PlainSparseIndex")
        .def(nb::init<>())
        .def("put", &put, "offsets"_a, "indptr"_a, "indices"_a, "values"_a)
        .def("remove", &take_out, "offsets"_a, "indptr"_a, "indices"_a)
        .def("encode", &encode, "weights"_a);
    nb::class_<PyPacked, PyIndex>(m, "PackedSparseIndex")
        .def("check", &check);
    m.def("sums_above", &above, "sums"_a, "least"_a, "isa"_a = nb::none());
    m.def("idf_weights", &idf_weights, "indexes"_a, "indices"_a, "values"_a);
    m.def("sparse_index_open", &open_file, "data"_a, "posting_count"_a, "weights"_a, "points"_a, "vectors"_a, "dimensions"_a,
          "slots"_a);
}
