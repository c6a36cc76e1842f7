// What the Python face of the HNSW graph has in common: vectors as a graph sees them, and the graph itself.
#pragma once
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <tuple>
#include <vector>

#include "bind/codes.hpp"
#include "bind/records.hpp"
#include "bind/register.hpp"
#include "bind/walk_codes.hpp"
#include "index/hnsw/graph.hpp"
#include "index/hnsw/scorer.hpp"

namespace edgeshard {

// Rows given as chunks alone: the first one (it may be empty) says what type and dimension they have.
inline RowsArgument rows_of(nb::list chunks) {
    if (!chunks.size()) throw nb::value_error("chunks: expected at least one array (it may have no rows)");
    const Array first = vectors(chunks[0], "chunks", 2);
    return RowsArgument(chunks, first, first.shape(1));
}

// The class HnswSpace in Python.
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

using EntryPairs = std::vector<std::tuple<uint32_t, uint64_t>>;

// The class HnswLinks in Python.
struct PyGraph {
    Graph graph;
    std::optional<Array> file;  // what a packed graph points into

    EntryPairs entries(bool extra) const {
        EntryPairs out;
        for (const EntryPoint& e : extra ? graph.extra_entries : graph.entries) out.emplace_back(e.point, e.level);
        return out;
    }
};

// Registered with the rest of the family by register_hnsw().
void register_hnsw_graph(nb::module_& m);
void register_hnsw_build(nb::module_& m);

}  // namespace edgeshard
