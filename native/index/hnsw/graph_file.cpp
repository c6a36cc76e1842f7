// Reading and writing of links.bin, links_compressed.bin and links_comp_vec.bin (docs/format/hnsw.md).
//
//   header        64 bytes (80 with vectors)
//   level_offsets u64 x levels
//   reindex       u32 x points
//   [zeros up to the alignment of the vectors, measured from the start of the file]
//   neighbours    all lists in slot order
//   [plain: zeros up to a multiple of 8]
//   offsets       plain: u64 x (slots + 1), counting neighbours; else a packed array, counting bytes
#include <algorithm>

#include "index/hnsw/graph.hpp"

namespace edgeshard {
namespace {

constexpr uint64_t kCompressed = 0xFFFFFFFFFFFFFF01, kWithVectors = 0xFFFFFFFFFFFFFF02;
constexpr size_t kHeader = 64, kVectorHeader = 80;
constexpr uint64_t kMaxLevels = 64, kMaxM = 1 << 20;

void put(std::vector<uint8_t>& out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

void put_varint(std::vector<uint8_t>& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<uint8_t>(value | 0x80));
    out.push_back(static_cast<uint8_t>(value));
}

void pad_to(std::vector<uint8_t>& out, uint64_t align) {
    while (out.size() % align) out.push_back(0);
}

bool power_of_two(uint8_t n) { return n && !(n & (n - 1)); }

}  // namespace

// Leaves in `at` where the level table begins, in `area` the length of the neighbour area (plain: in neighbours) and in
// `padding` the zeros behind it.
Damage Graph::open_header(const uint8_t* data, size_t size, uint64_t& at, uint64_t& levels, uint64_t& area,
                          uint64_t& padding) {
    at = kind == LinksKind::with_vectors ? kVectorHeader : kHeader;
    if (size < at) return {"the file ends inside its header", size};
    const uint64_t n = load<uint64_t>(data);
    if (n > size / 4 || n > UINT32_MAX) return {std::to_string(n) + " points do not fit a file of this size", 0};
    points = static_cast<uint32_t>(n);
    padding = 0;
    if (kind == LinksKind::plain) {
        levels = load<uint64_t>(data + 8);
        area = load<uint64_t>(data + 16);
        shape_ = {load<uint64_t>(data + 24), 64, 1, 0};
        padding = load<uint64_t>(data + 32);
        if (padding > 7) return {"impossible padding", 32};
        if (area > size / 4) return {"the neighbours do not fit the file", 16};
    } else {
        const uint64_t version = kind == LinksKind::compressed ? kCompressed : kWithVectors;
        if (load<uint64_t>(data + 8) != version) return {"unknown version of the format", 8};
        levels = load<uint64_t>(data + 16);
        area = load<uint64_t>(data + 24);
        shape_ = {load<uint64_t>(data + 32), data[40], data[41], data[42]};
        if (!shape_.valid()) return {"impossible widths of the offsets array", 40};
        if (load<uint64_t>(data + 43) > kMaxM || load<uint64_t>(data + 51) > kMaxM) return {"impossible m or m0", 43};
        m = static_cast<uint32_t>(load<uint64_t>(data + 43));
        m0 = static_cast<uint32_t>(load<uint64_t>(data + 51));
        if (area > size) return {"the neighbour area does not fit the file", 24};
    }
    if (shape_.length < 1 || shape_.length / 8 > size) return {"impossible number of offsets", 24};
    if (levels > kMaxLevels || (levels == 0) != (n == 0)) return {"impossible number of levels", 16};
    if (kind != LinksKind::with_vectors) return {};
    inline_ = {load<uint64_t>(data + 59), load<uint64_t>(data + 68), data[67], data[76]};
    if (!power_of_two(inline_.base_align) || !power_of_two(inline_.link_align)) return {"impossible alignment", 67};
    if (inline_.base_bytes > size || inline_.link_bytes > size) return {"impossible size of a vector", 59};
    return {};
}

Damage Graph::open_levels(const uint8_t* data, uint64_t at, uint64_t levels, uint64_t slots) {
    level_offsets.clear();
    for (uint64_t level = 0; level < levels; ++level) level_offsets.push_back(load<uint64_t>(data + at + 8 * level));
    if (levels) level_offsets.push_back(slots);
    if (levels == 0) return slots ? Damage{"lists without points", 32} : Damage{};
    if (level_offsets[0] != 0 || level_offsets[1] != points) return {"level 0 does not hold every point", at};
    for (uint64_t level = 1; level < levels; ++level)
        if (level_offsets[level + 1] < level_offsets[level] || population(level) > population(level - 1))
            return {"the levels do not get smaller upwards", at + 8 * level};
    return {};
}

Damage Graph::open(const uint8_t* data, size_t size, LinksKind file_kind) {
    kind = file_kind;
    uint64_t at, levels, area, padding;
    if (Damage damage = open_header(data, size, at, levels, area, padding)) return damage;
    // Every summand is below 2^35 here, so the sums below cannot wrap around.
    const uint64_t unit = kind == LinksKind::plain ? 4 : 1;
    const uint64_t tables = at;
    const uint64_t ranks = tables + 8 * levels;
    uint64_t begin = ranks + 4 * uint64_t{points};
    if (kind == LinksKind::with_vectors) {
        const uint64_t align = std::max(inline_.base_align, inline_.link_align);
        begin = (begin + align - 1) / align * align;
    }
    const uint64_t end = begin + unit * area + padding;
    const uint64_t offsets_bytes = kind == LinksKind::plain ? 8 * shape_.length : shape_.size_bytes();
    if (end > size || offsets_bytes > size - end) return {"the file is too short for what its header says", size};
    if (Damage damage = open_levels(data, tables, levels, shape_.length - 1)) return damage;
    reindex_ = data + ranks;
    area_ = data + begin;
    area_bytes_ = area;
    packed_offsets_ = data + end;
    return {};
}

namespace {

// The neighbour area, of which no more than a piece is in memory.
class AreaWriter {
public:
    explicit AreaWriter(const Graph::Sink& sink) : sink_(sink) {}

    std::vector<uint8_t> piece;

    uint64_t size() const { return written_ + piece.size(); }

    void pad_to(uint64_t align) {
        while (size() % align) piece.push_back(0);
    }

    void flush() {
        written_ += piece.size();
        sink_(piece.data(), piece.size());
        piece.clear();
    }

private:
    const Graph::Sink& sink_;
    uint64_t written_ = 0;
};

constexpr size_t kPiece = size_t{1} << 20;

}  // namespace

// Hands over the neighbour area; returns where every list begins in it (in bytes; plain: in neighbours).
std::vector<uint64_t> Graph::encode_lists(const Rewrite& to, const Sink& sink) const {
    const bool vectors = to.kind == LinksKind::with_vectors, plain = to.kind == LinksKind::plain;
    AreaWriter area(sink);
    const auto add_row = [&](const uint8_t* rows, uint64_t bytes, uint32_t p) {
        area.piece.insert(area.piece.end(), rows + p * bytes, rows + (p + size_t{1}) * bytes);
    };
    std::vector<uint32_t> by_rank(points);
    for (uint32_t p = 0; p < points; ++p) by_rank[rank(p)] = p;
    Scratch scratch, links;
    std::vector<uint64_t> offsets(1, 0);
    for (size_t level = 0; level < levels(); ++level)
        for (uint64_t i = 0; i < population(level); ++i) {
            const uint32_t p = level ? by_rank[i] : static_cast<uint32_t>(i);
            const List l = list(p, level, scratch);
            links.assign(l.ids, l.ids + l.count);
            if (vectors && !level) add_row(to.base, to.shape.base_bytes, p);
            if (vectors) put_varint(area.piece, l.count);
            if (plain)
                for (uint32_t id : links) put(area.piece, id, 4);
            else
                pack_list(links.data(), links.size(), level_m(level), points, area.piece);
            if (vectors) {
                area.pad_to(to.shape.link_align);
                for (uint32_t id : links) add_row(to.link, to.shape.link_bytes, id);
                if (!level) area.pad_to(to.shape.base_align);
            }
            offsets.push_back(plain ? area.size() / 4 : area.size());
            if (area.piece.size() >= kPiece) area.flush();
        }
    area.flush();
    return offsets;
}

void Graph::encode(const Rewrite& to, const Sink& sink) const {
    const bool vectors = to.kind == LinksKind::with_vectors, plain = to.kind == LinksKind::plain;
    std::vector<uint8_t> area, out;
    // What stands before the area depends on its length. With vectors it is too large to be kept: it is made twice.
    const std::vector<uint64_t> offsets = encode_lists(to, [&](const uint8_t* data, size_t size) {
        if (!vectors) area.insert(area.end(), data, data + size);
    });
    const uint64_t area_bytes = plain ? 4 * offsets.back() : offsets.back();
    const OffsetsShape packed = best_shape(offsets);
    put(out, points, 8);
    if (plain) {
        const uint64_t before = kHeader + 8 * levels() + 4 * uint64_t{points} + area_bytes;
        for (uint64_t value : {uint64_t{levels()}, area_bytes / 4, uint64_t{offsets.size()}, before % 8})
            put(out, value, 8);
    } else {
        put(out, vectors ? kWithVectors : kCompressed, 8);
        for (uint64_t value : {uint64_t{levels()}, area_bytes, packed.length}) put(out, value, 8);
        for (uint8_t value : {packed.base_bits, packed.delta_bits, packed.log2}) put(out, value, 1);
        put(out, m, 8);
        put(out, m0, 8);
    }
    if (vectors) {
        put(out, to.shape.base_bytes, 8);
        put(out, to.shape.base_align, 1);
        put(out, to.shape.link_bytes, 8);
        put(out, to.shape.link_align, 1);
    }
    out.resize(vectors ? kVectorHeader : kHeader, 0);
    for (size_t level = 0; level < levels(); ++level) put(out, level_offsets[level], 8);
    for (uint32_t p = 0; p < points; ++p) put(out, rank(p), 4);
    if (vectors) pad_to(out, std::max(to.shape.base_align, to.shape.link_align));
    const size_t before_area = out.size();
    sink(out.data(), before_area);
    out.clear();
    if (vectors)
        encode_lists(to, sink);
    else
        sink(area.data(), area.size());
    if (plain) {
        out.resize((8 - (before_area + area_bytes) % 8) % 8, 0);
        for (uint64_t offset : offsets) put(out, offset, 8);
    } else {
        pack_offsets(offsets, packed, out);
    }
    sink(out.data(), out.size());
}

}  // namespace edgeshard
