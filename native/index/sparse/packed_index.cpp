#include "index/sparse/packed_index.hpp"

#include <algorithm>

#include "support/load.hpp"

namespace edgeshard::sparse {

namespace {

Damage damaged(const char* what, uint64_t slot, uint64_t offset) {
    return {"posting list " + std::to_string(slot) + ": " + what, offset};
}

}  // namespace

Damage PackedIndex::open(const uint8_t* data, size_t bytes, size_t count, WeightType type, uint64_t points,
                         uint64_t vectors, std::vector<std::pair<uint32_t, uint32_t>> slots) {
    const size_t header = Layout::of(type).header;
    if (count > bytes / header) return {std::to_string(count) + " posting lists do not fit the file", 0};
    data_ = data;
    type_ = type;
    points_ = points;
    vectors_ = vectors;
    slots_ = std::move(slots);
    lists_.resize(count);
    blocks_.resize(count);
    uint64_t start = count * header;
    if (!count && bytes) return {"expected an empty file", 0};
    for (size_t slot = 0; slot < count; ++slot) {
        if (load<uint64_t>(data + slot * header) != start)
            return damaged("it does not start where the one before ends", slot, slot * header);
        const uint64_t end = slot + 1 < count ? load<uint64_t>(data + (slot + 1) * header) : bytes;
        if (end < start || end > bytes) return damaged("it does not end inside the file", slot, slot * header);
        if (Damage damage = open_list(slot, start, end)) return damage;
        start = end;
    }
    return {};
}

Damage PackedIndex::open_list(size_t slot, uint64_t start, uint64_t end) {
    const Layout layout = Layout::of(type_);
    const uint8_t* header = data_ + slot * layout.header;
    const uint64_t where = slot * layout.header;
    PackedList& list = lists_[slot];
    list.type = type_;
    list.ids_bytes = load<uint32_t>(header + 12);
    list.chunk_count = load<uint32_t>(header + 16);
    if (type_ == WeightType::u8) {
        list.low = load<float>(header + 20);
        list.step = load<float>(header + 24);
    }
    const uint64_t chunks = list.chunk_count * uint64_t{layout.chunk()}, size = end - start;
    if (list.ids_bytes % 16 || list.ids_bytes > size || chunks > size - list.ids_bytes)
        return damaged("its ids and chunks do not fit its place", slot, where);
    const uint64_t rest = size - list.ids_bytes - chunks;
    if (rest % kTailBytes || rest / kTailBytes >= kBlock)
        return damaged("its place holds no whole number of postings", slot, where);
    list.ids = data_ + start;
    list.chunks = list.ids + list.ids_bytes;
    list.tail = list.chunks + chunks;
    list.tail_size = static_cast<uint32_t>(rest / kTailBytes);
    const uint32_t last = load<uint32_t>(header + 8);
    if (last > points_) return damaged("it names a point the segment does not have", slot, where + 8);
    if ((last == 0) != (list.size() == 0)) return damaged("its last id and its size do not agree", slot, where + 8);
    return {};
}

Damage PackedIndex::describe_list(size_t slot) {
    const PackedList& list = lists_[slot];
    const auto at = [&](const uint8_t* p) { return static_cast<uint64_t>(p - data_); };
    auto blocks = std::make_unique<BlockInfo[]>(list.blocks());
    uint64_t next = 0;  // smallest id that may follow
    Scratch scratch;
    for (size_t b = 0; b < list.blocks(); ++b) {
        if (b < list.chunk_count) {
            const uint64_t from = list.chunk_offset(b), to = list.chunk_end(b), head = at(list.chunks) + b * Layout::of(type_).chunk();
            if (from > to || to > list.ids_bytes || from % 16 || to % 16 || to - from > packed_bytes(32) || (b == 0 && from))
                return damaged("the packed ids of a chunk lie outside", slot, head + 4);
            uint32_t gaps[kBlock];
            unpack_gaps(list.ids + from, static_cast<unsigned>((to - from) * 8 / kBlock), gaps);
            uint64_t last = list.chunk_first(b) + uint64_t{kBlock - 1};
            for (uint32_t gap : gaps) last += gap;
            if (list.chunk_first(b) < next || last >= points_) return damaged("ids of a chunk out of order", slot, head);
        }
        const Block block = list.unpack(b, scratch);
        for (size_t i = 0; i < block.size; ++i) {
            if (block.ids[i] < next || block.ids[i] >= points_) return damaged("ids out of order", slot, at(list.tail));
            next = uint64_t{block.ids[i]} + 1;
        }
        blocks[b] = describe(block);
    }
    const uint64_t header = slot * Layout::of(type_).header;
    if (next != load<uint32_t>(data_ + header + 8)) return damaged("its last id is not the one named", slot, header + 8);
    blocks_[slot] = std::move(blocks);
    return {};
}

uint32_t PackedIndex::slot_of(uint32_t dimension) const {
    const auto found = std::lower_bound(slots_.begin(), slots_.end(), std::pair{dimension, uint32_t{0}});
    return found != slots_.end() && found->first == dimension ? found->second : kNone;
}

Damage PackedIndex::find(uint32_t dimension, List& out) {
    out = {};
    const uint32_t slot = slot_of(dimension);
    if (slot == kNone) return {};
    const PackedList& list = lists_[slot];
    if (!list.size()) return {};
    const std::lock_guard lock(describing_);
    if (!blocks_[slot]) {
        if (Damage damage = describe_list(slot)) return damage;
    }
    out.blocks = blocks_[slot].get();
    out.block_count = list.blocks();
    out.size = list.size();
    out.packed = &list;
    if (!worth_dense(out.size, points_)) return {};
    std::vector<float>& dense = dense_[slot];
    if (dense.empty()) dense = spread(out, points_);
    out.dense = dense.data();
    out.dense_size = dense.size();
    return {};
}

size_t PackedIndex::length(uint32_t dimension) const {
    const uint32_t slot = slot_of(dimension);
    return slot == kNone ? 0 : lists_[slot].size();
}

Damage PackedIndex::check() {
    const std::lock_guard lock(describing_);
    for (size_t slot = 0; slot < lists_.size(); ++slot) {
        if (!blocks_[slot] && lists_[slot].size()) {
            if (Damage damage = describe_list(slot)) return damage;
        }
    }
    return {};
}

}  // namespace edgeshard::sparse
