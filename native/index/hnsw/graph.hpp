// A finished HNSW graph: neighbour lists of every (point, level), in memory or packed in a mapped file.
//
// Lists are numbered ("slots"): level 0 by point, level L > 0 by level_offsets[L] + rank of the point, where points of
// higher top level have smaller ranks. A graph in memory owns plain lists; one opened from a file keeps a pointer into
// it and unpacks a list each time it is visited, which costs about 10 % of a search and nothing to open.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "index/hnsw/packed_links.hpp"

namespace edgeshard {

enum class LinksKind : int { memory = 0, plain = 1, compressed = 2, with_vectors = 3 };

struct EntryPoint {
    uint32_t point;
    uint32_t level;
};

// Sizes of the vectors inside links_comp_vec.bin.
struct InlineShape {
    uint64_t base_bytes = 0, link_bytes = 0;
    uint8_t base_align = 1, link_align = 1;
};

// What a graph is written as. Base and link rows, one each per point, are for with_vectors only.
struct Rewrite {
    LinksKind kind;
    InlineShape shape;
    const uint8_t* base = nullptr;
    const uint8_t* link = nullptr;
};

// Neighbours of one list; `ids` points into the graph or into the caller's scratch.
struct List {
    const uint32_t* ids = nullptr;
    size_t count = 0;
    bool damaged = false;
};

// What is wrong with a file, and where; empty = nothing.
struct Damage {
    std::string reason;
    uint64_t offset = 0;
    explicit operator bool() const { return !reason.empty(); }
};

class Graph {
public:
    using Scratch = std::vector<uint32_t>;

    uint32_t points = 0;
    uint32_t m = 0, m0 = 0;
    LinksKind kind = LinksKind::memory;
    std::vector<uint64_t> level_offsets;  // one per level and the number of slots
    std::vector<EntryPoint> entries, extra_entries;

    size_t levels() const { return level_offsets.empty() ? 0 : level_offsets.size() - 1; }
    uint64_t population(size_t level) const { return level_offsets[level + 1] - level_offsets[level]; }
    uint32_t level_m(size_t level) const { return level ? m : m0; }
    uint32_t rank(uint32_t point) const {
        uint32_t rank;
        std::memcpy(&rank, reindex_ + 4 * size_t{point}, 4);
        return rank;
    }
    // The highest level of a point (0 for a damaged rank).
    size_t top_level(uint32_t point) const;

    // The list of a point that is on that level; empty if it is not.
    List list(uint32_t point, size_t level, Scratch& scratch) const;
    void prefetch(uint32_t point) const;  // of the level-0 list

    // Opens a links file of `size` bytes that stays where it is. The header, the sizes and the level table are checked
    // here, each list when it is visited.
    Damage open(const uint8_t* data, size_t size, LinksKind file_kind);
    // Every rank, offset and list; O(size of the file).
    Damage verify() const;
    // Copies a packed graph into memory. verify() must have found nothing.
    Graph unpacked() const;

    // Bytes of a links file. verify() must have found nothing in a packed graph.
    // The links file, handed over in pieces. With vectors inside it may be far larger than what is held in memory.
    using Sink = std::function<void(const uint8_t*, size_t)>;
    void encode(const Rewrite& to, const Sink& sink) const;

    // The vectors inside links_comp_vec.bin: base rows become points x base_bytes.
    const InlineShape& inline_shape() const { return inline_; }
    Damage copy_base_rows(std::vector<uint8_t>& base_rows) const;
    // The link vectors of a point's level-0 list, in list order; nullptr if damaged or there are none.
    const uint8_t* link_vectors(uint32_t point) const;

    // For a builder: takes over lists in slot order.
    void adopt(std::vector<uint64_t> offsets, std::vector<uint32_t> links, std::vector<uint32_t> reindex);

    size_t size_bytes() const;

private:
    struct Record {  // of one slot
        uint64_t begin, end;
        bool damaged;
    };
    Record record(uint64_t slot) const;
    struct Inner {  // of a record with vectors
        const uint8_t* links;
        size_t bytes, count;
        const uint8_t* vectors;
        bool damaged;
    };
    Inner inner(const Record& record, bool level0) const;
    std::vector<uint64_t> encode_lists(const Rewrite& to, const Sink& sink) const;
    Damage open_header(const uint8_t* data, size_t size, uint64_t& at, uint64_t& levels, uint64_t& area,
                       uint64_t& padding);
    Damage open_levels(const uint8_t* data, uint64_t at, uint64_t levels, uint64_t slots);

    std::vector<uint64_t> offsets_;   // in memory
    std::vector<uint32_t> links_;     // in memory
    std::vector<uint32_t> ranks_;     // in memory
    const uint8_t* reindex_ = nullptr;
    const uint8_t* area_ = nullptr;   // neighbour area of a file
    uint64_t area_bytes_ = 0;
    const uint8_t* packed_offsets_ = nullptr;
    OffsetsShape shape_;
    InlineShape inline_;
};

}  // namespace edgeshard
