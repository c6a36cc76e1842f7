// Similarities between a query (or a stored point) and lists of points: the only thing a graph knows about vectors.
//
// A Space describes the vectors of one storage; a Scorer, one per thread, holds the current query. Larger is better.
#pragma once
#include <limits>
#include <memory>
#include <vector>

#include "kernels/distance.hpp"
#include "kernels/rows.hpp"
#include "kernels/scan_codes.hpp"

namespace edgeshard {

namespace quantized {
class Codec;
class WalkCodes;
}

class Scorer {
public:
    virtual ~Scorer() = default;
    // The query is stored point `point`.
    virtual void use_point(uint32_t point) = 0;
    // The query is `rows` rows of the space's query type (1 unless it holds multi-vectors). The memory must stay.
    virtual void use_query(const char* query, size_t rows) = 0;
    // sims[i] = similarity of the query and point ids[i]; never NaN.
    virtual void score(const uint32_t* ids, size_t n, float* sims) = 0;
    // How far the similarity of a point is from that of the originals, as a standard deviation; infinite if unknown.
    virtual float deviation(uint32_t) const { return std::numeric_limits<float>::infinity(); }
    // Asks for the memory of points.
    virtual void prefetch(const uint32_t* ids, size_t n) const = 0;
};

// Row tables of multi-vectors: point p owns rows first[p] .. first[p] + count[p] - 1, all inside the storage.
struct RowTable {
    const uint32_t* first = nullptr;
    const uint32_t* count = nullptr;
    size_t points = 0;
};

struct Space {
    Rows rows;
    Distance distance;
    const Codes8* codes = nullptr;  // of the rows, at least as many
    RowTable table;                    // empty: one row per point
    // Compressed copies of the rows, in the same order; with `record_rows` null the rows themselves are the records.
    const quantized::Codec* records = nullptr;
    const Rows* record_rows = nullptr;
    const quantized::WalkCodes* walk_codes = nullptr;  // of the records, at least as many; one row per point only

    bool multi() const { return table.first != nullptr; }
    size_t points() const { return multi() ? table.points : rows.count(); }
    bool only_records() const { return records && !record_rows; }
    // Queries are rows like the stored ones, or floats where only records are stored.
    ElementType query_type() const { return only_records() ? ElementType::f32 : rows.type(); }
    size_t query_dim() const;
    size_t query_bytes() const { return query_dim() * element_size(query_type()); }
    // Whether the codes can stand for the rows: not for sums of absolute differences, nor for cosine of bytes, which
    // are not normalised.
    bool walks_on_codes() const {
        if (records) return record_rows != nullptr || walk_codes != nullptr;
        return codes && distance != Distance::manhattan && rows.type() != ElementType::u8;
    }

    // Of the records themselves, where walks go over codes made of them that tell less; else null.
    std::unique_ptr<Scorer> refiner() const;
    // With `on_codes` an approximate scorer (walks_on_codes() must hold), else the exact one.
    std::unique_ptr<Scorer> scorer(bool on_codes) const;
};

}  // namespace edgeshard
