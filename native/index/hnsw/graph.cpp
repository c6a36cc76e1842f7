#include "index/hnsw/graph.hpp"

#include <algorithm>

#include "kernels/prefetch.hpp"

namespace edgeshard {

size_t Graph::top_level(uint32_t point) const {
    const uint64_t r = rank(point);
    for (size_t level = levels(); level-- > 1;)
        if (r < population(level)) return level;
    return 0;
}

Graph::Record Graph::record(uint64_t slot) const {
    uint64_t begin, end;
    if (kind == LinksKind::plain) {
        begin = load<uint64_t>(packed_offsets_ + 8 * slot);
        end = load<uint64_t>(packed_offsets_ + 8 * (slot + 1));
    } else {
        begin = unpack_offset(packed_offsets_, shape_, slot);
        end = unpack_offset(packed_offsets_, shape_, slot + 1);
    }
    return {begin, end, begin > end || end > area_bytes_};
}

Graph::Inner Graph::inner(const Record& record, bool level0) const {
    const Inner bad{nullptr, 0, 0, nullptr, true};
    uint64_t at = record.begin + (level0 ? inline_.base_bytes : 0);
    uint64_t count = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (at >= record.end || shift > 28) return bad;
        const uint8_t byte = area_[at++];
        count |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) break;
    }
    if (count > points) return bad;
    const uint64_t links = at;
    const size_t bytes = count ? packed_list_bytes(count, area_[at], level0 ? m0 : m, points) : 0;
    at += bytes;
    at += (inline_.link_align - at % inline_.link_align) % inline_.link_align;
    const uint64_t vectors = at;
    if (at > record.end || count * inline_.link_bytes > record.end - at) return bad;
    return {area_ + links, bytes, static_cast<size_t>(count), area_ + vectors, false};
}

List Graph::list(uint32_t point, size_t level, Scratch& scratch) const {
    uint64_t slot = point;
    if (level) {
        const uint64_t r = rank(point);
        if (level >= levels() || r >= population(level)) return {};
        slot = level_offsets[level] + r;
    }
    if (kind == LinksKind::memory)
        return {links_.data() + offsets_[slot], static_cast<size_t>(offsets_[slot + 1] - offsets_[slot]), false};
    const Record r = record(slot);
    if (r.damaged) return {nullptr, 0, true};
    const uint8_t* data = area_ + r.begin;
    size_t bytes = r.end - r.begin;
    if (kind == LinksKind::plain) {
        if (!bytes) return {};
        if (bytes > points) return {nullptr, 0, true};
        scratch.resize(std::max<size_t>(bytes, scratch.size()));
        std::memcpy(scratch.data(), area_ + 4 * r.begin, 4 * bytes);
        for (size_t i = 0; i < bytes; ++i)
            if (scratch[i] >= points) return {nullptr, 0, true};
        return {scratch.data(), bytes, false};
    }
    if (kind == LinksKind::with_vectors) {
        const Inner parts = inner(r, level == 0);
        if (parts.damaged) return {nullptr, 0, true};
        data = parts.links;
        bytes = parts.bytes;
    }
    if (bytes / 4 > points + size_t{8}) return {nullptr, 0, true};  // no list names more points than there are
    if (scratch.size() < bytes) scratch.resize(bytes);
    const std::optional<size_t> count = unpack_list(data, bytes, level_m(level), points, scratch.data());
    if (!count) return {nullptr, 0, true};
    return {scratch.data(), *count, false};
}

void Graph::prefetch(uint32_t point) const {
    if (kind == LinksKind::memory) {
        prefetch_row(links_.data() + offsets_[point], 80);
    } else if (kind == LinksKind::compressed) {
        const uint64_t begin = unpack_offset(packed_offsets_, shape_, point);
        if (begin < area_bytes_) __builtin_prefetch(area_ + begin);
    }
}

const uint8_t* Graph::link_vectors(uint32_t point) const {
    if (kind != LinksKind::with_vectors) return nullptr;
    const Record r = record(point);
    if (r.damaged) return nullptr;
    const Inner parts = inner(r, true);
    return parts.damaged ? nullptr : parts.vectors;
}

Damage Graph::copy_base_rows(std::vector<uint8_t>& base_rows) const {
    if (inline_.base_bytes > area_bytes_ / std::max<uint64_t>(points, 1))  // or a small file could ask for any memory
        return {"its records are too short for their vectors", 0};
    base_rows.resize(points * inline_.base_bytes);
    for (uint32_t p = 0; p < points; ++p) {
        const Record r = record(p);
        if (r.damaged || r.end - r.begin < inline_.base_bytes)
            return {"the record of point " + std::to_string(p) + " is too short for its vector", 0};
        std::memcpy(base_rows.data() + p * inline_.base_bytes, area_ + r.begin, inline_.base_bytes);
    }
    return {};
}

Damage Graph::verify() const {
    std::vector<uint8_t> seen(points, 0);
    for (uint32_t p = 0; p < points; ++p) {
        const uint32_t r = rank(p);
        if (r >= points || seen[r]) return {"the rank of point " + std::to_string(p) + " is out of range or repeated", 0};
        seen[r] = 1;
    }
    Scratch scratch;
    for (uint32_t p = 0; p < points; ++p)
        for (size_t level = 0; level <= top_level(p); ++level) {
            const List l = list(p, level, scratch);
            const std::string where = "the links of point " + std::to_string(p) + " on level " + std::to_string(level);
            if (l.damaged) return {where + " are damaged", 0};
            for (size_t i = 0; i < l.count; ++i)
                if (level && rank(l.ids[i]) >= population(level)) return {where + " name a point of a lower level", 0};
        }
    return {};
}

Graph Graph::unpacked() const {
    Graph out;
    out.points = points;
    out.m = m;
    out.m0 = m0;
    out.level_offsets = level_offsets;
    out.entries = entries;
    out.extra_entries = extra_entries;
    std::vector<uint32_t> ranks(points), by_rank(points);
    for (uint32_t p = 0; p < points; ++p) by_rank[ranks[p] = rank(p)] = p;
    std::vector<uint64_t> offsets{0};
    std::vector<uint32_t> links;
    offsets.reserve(level_offsets.back() + 1);
    Scratch scratch;
    for (size_t level = 0; level < levels(); ++level)
        for (uint64_t i = 0; i < population(level); ++i) {
            const List l = list(level ? by_rank[i] : static_cast<uint32_t>(i), level, scratch);
            links.insert(links.end(), l.ids, l.ids + l.count);
            offsets.push_back(links.size());
        }
    links.shrink_to_fit();
    out.adopt(std::move(offsets), std::move(links), std::move(ranks));
    return out;
}

void Graph::adopt(std::vector<uint64_t> offsets, std::vector<uint32_t> links, std::vector<uint32_t> reindex) {
    kind = LinksKind::memory;
    offsets_ = std::move(offsets);
    links_ = std::move(links);
    ranks_ = std::move(reindex);
    reindex_ = reinterpret_cast<const uint8_t*>(ranks_.data());
}

size_t Graph::size_bytes() const {
    return offsets_.capacity() * 8 + links_.capacity() * 4 + ranks_.capacity() * 4;
}

}  // namespace edgeshard
