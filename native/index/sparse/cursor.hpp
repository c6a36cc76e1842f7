// A place in a posting list that only moves forward (except back to a block it was in before).
#pragma once
#include <algorithm>

#include "index/sparse/postings.hpp"

namespace edgeshard::sparse {

class Cursor {
public:
    explicit Cursor(const List& list) : list_(&list) {}

    size_t block() const { return block_; }
    bool done() const { return block_ >= list_->block_count; }
    const BlockInfo& info() const { return list_->blocks[block_]; }

    // Moves to the first block from here on that holds an id of at least `id`.
    void seek(uint32_t id) {
        if (done() || info().last >= id) return;
        if (++block_; done() || info().last >= id) return;
        const BlockInfo* end = list_->blocks + list_->block_count;
        const BlockInfo* found =
            std::partition_point(list_->blocks + block_, end, [&](const BlockInfo& b) { return b.last < id; });
        block_ = static_cast<size_t>(found - list_->blocks);
    }
    void set(size_t block) { block_ = block; }
    void next() { ++block_; }

    const Block& load() {
        if (loaded_ != block_) {
            data_ = list_->block(block_, scratch_);
            loaded_ = block_;
        }
        return data_;
    }

    // The weight of a point, null if the list does not have it.
    const float* find(uint32_t id) {
        seek(id);
        if (done() || info().first > id) return nullptr;
        const Block& b = load();
        const uint32_t* at = std::lower_bound(b.ids, b.ids + b.size, id);
        return at != b.ids + b.size && *at == id ? b.weights + (at - b.ids) : nullptr;
    }

private:
    const List* list_;
    size_t block_ = 0, loaded_ = SIZE_MAX;
    Block data_{};
    Scratch scratch_;
};

}  // namespace edgeshard::sparse
