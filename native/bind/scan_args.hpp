// The arguments shared by the scans: checked once here, so that native code below sees valid sizes only.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bind/arrays.hpp"
#include "kernels/scan.hpp"

namespace edgeshard {

inline Distance to_distance(int code) {
    if (code < 0 || code > 3) throw nb::value_error("distance: expected 0 Cosine, 1 Euclid, 2 Dot or 3 Manhattan");
    return static_cast<Distance>(code);
}

inline ElementType element_type(char format) {
    return format == 'f' ? ElementType::f32 : format == 'e' ? ElementType::f16 : ElementType::u8;
}

// None means the best one; a name must be known and available here.
inline Isa to_isa(const std::optional<std::string>& name) {
    if (!name) return best_isa();
    const std::optional<Isa> isa = isa_from_name(*name);
    if (!isa || !isa_available(*isa))
        throw nb::value_error(("isa: '" + *name + "' is unknown or not available on this machine").c_str());
    return *isa;
}

inline ScanOptions to_options(int distance, unsigned threads, const std::optional<std::string>& isa) {
    return {to_distance(distance), to_isa(isa), threads};
}

// The chunks of a storage, kept alive and viewed as rows.
struct RowsArgument {
    std::vector<Array> arrays;
    Rows rows;

    // Without chunks there are no rows, whatever `like` (the queries) say about type and dimension.
    RowsArgument(nb::list chunks, const Array& like, size_t dim) : rows(element_type(like.format()), dim) {
        if (dim > kMaxDim) throw nb::value_error("queries: more than 65536 dimensions");
        arrays.reserve(chunks.size());
        for (nb::handle chunk : chunks) {
            arrays.emplace_back(chunk, "chunks", "feB", "float32, float16 or uint8", 2);
            const Array& array = arrays.back();
            if (array.format() != like.format()) throw nb::type_error("chunks: dtype differs from the queries'");
            if (array.shape(1) != dim)
                throw nb::value_error(("chunks: expected rows of " + std::to_string(dim) + " elements like the queries, got " +
                                       std::to_string(array.shape(1)))
                                          .c_str());
            rows.add({array.data<char>(), array.shape(0)});
        }
        if (rows.count() > UINT32_MAX) throw nb::value_error("chunks: more than 2^32 - 1 rows");
    }
};

inline Array vectors(nb::handle object, const char* name, int ndim) {
    return Array(object, name, "feB", "float32, float16 or uint8", ndim);
}

// A mask of `n` bools, or nothing.
struct MaskArgument {
    std::optional<Array> array;

    MaskArgument(nb::handle object, size_t n) {
        if (object.is_none()) return;
        array.emplace(object, "mask", "?", "bool", 1);
        if (array->shape(0) != n)
            throw nb::value_error(("mask: expected " + std::to_string(n) + " entries, got " +
                                   std::to_string(array->shape(0)))
                                      .c_str());
    }
    const uint8_t* data() const { return array ? array->data<uint8_t>() : nullptr; }
};

// Offsets below `limit`.
inline Array checked_offsets(nb::handle object, size_t limit) {
    Array offsets(object, "offsets", "I", "uint32", 1);
    const uint32_t* data = offsets.data<uint32_t>();
    uint32_t largest = 0;
    for (size_t i = 0; i < offsets.shape(0); ++i) largest = data[i] > largest ? data[i] : largest;
    if (offsets.shape(0) && largest >= limit)
        throw nb::index_error(("offsets: " + std::to_string(largest) + " is out of range, there are " +
                               std::to_string(limit))
                                  .c_str());
    return offsets;
}

// (offsets (q, k) u32, sims (q, k) f32, counts (q,) i64); unused places hold 2^32 - 1 and -inf.
inline nb::tuple hits_to_python(const std::vector<std::vector<Hit>>& hits, size_t k) {
    auto offsets = new_array<uint32_t>({hits.size(), k});
    auto sims = new_array<float>({hits.size(), k});
    auto counts = new_array<int64_t>({hits.size()});
    for (size_t q = 0; q < hits.size(); ++q) {
        counts.data[q] = static_cast<int64_t>(hits[q].size());
        for (size_t i = 0; i < k; ++i) {
            const bool used = i < hits[q].size();
            offsets.data[q * k + i] = used ? hits[q][i].offset : UINT32_MAX;
            sims.data[q * k + i] = used ? hits[q][i].sim : -std::numeric_limits<float>::infinity();
        }
    }
    return nb::make_tuple(offsets.array, sims.array, counts.array);
}

// (offsets (n,) u32, sims (n,) f32) of one query.
inline nb::tuple hits_to_python(const std::vector<Hit>& hits) {
    auto offsets = new_array<uint32_t>({hits.size()});
    auto sims = new_array<float>({hits.size()});
    for (size_t i = 0; i < hits.size(); ++i) {
        offsets.data[i] = hits[i].offset;
        sims.data[i] = hits[i].sim;
    }
    return nb::make_tuple(offsets.array, sims.array);
}

// One query is answered without what several need, if that is wanted.
inline nb::tuple hits_to_python(const std::vector<std::vector<Hit>>& hits, size_t k, bool single) {
    if (single && hits.size() != 1) throw nb::value_error("single: expected one query");
    return single ? hits_to_python(hits[0]) : hits_to_python(hits, k);
}

}  // namespace edgeshard
