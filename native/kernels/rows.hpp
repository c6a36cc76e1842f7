// A matrix of equal rows held in consecutive pieces: what a vector storage maps.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/distance.hpp"

namespace edgeshard {

// Row-major rows; `data` needs the alignment of the element type only.
struct Chunk {
    const char* data;
    size_t rows;
};

// Row `offset` counts through the chunks in order. The memory belongs to somebody else and must outlive this view.
class Rows {
public:
    Rows(ElementType type, size_t dim) : type_(type), dim_(dim), row_bytes_(dim * element_size(type)) {}

    void add(Chunk chunk) {
        // Storages use equal chunks except for the last: then finding a row is a division.
        if (chunks_.empty()) per_chunk_ = std::max<size_t>(chunk.rows, 1);
        else uniform_ = uniform_ && chunks_.back().rows == per_chunk_ && chunk.rows <= per_chunk_;
        starts_.push_back(count_);
        chunks_.push_back(chunk);
        count_ += chunk.rows;
    }

    ElementType type() const { return type_; }
    size_t dim() const { return dim_; }
    size_t row_bytes() const { return row_bytes_; }
    size_t count() const { return count_; }
    size_t chunk_count() const { return chunks_.size(); }
    const Chunk& chunk(size_t i) const { return chunks_[i]; }
    size_t chunk_start(size_t i) const { return starts_[i]; }

    // `offset` must be smaller than count().
    const char* row(size_t offset) const {
        const size_t c = chunk_of(offset);
        return chunks_[c].data + (offset - starts_[c]) * row_bytes_;
    }

    // How many rows lie side by side from that of `offset` on, which must be smaller than count().
    size_t together(size_t offset) const {
        const size_t c = chunk_of(offset);
        return starts_[c] + chunks_[c].rows - offset;
    }

private:
    size_t chunk_of(size_t offset) const {
        if (offset < chunks_[0].rows) return 0;  // the only chunk of most: a division takes longer than a short row
        return uniform_ ? offset / per_chunk_
                        : std::upper_bound(starts_.begin(), starts_.end(), offset) - starts_.begin() - 1;
    }

    ElementType type_;
    size_t dim_, row_bytes_;
    size_t count_ = 0, per_chunk_ = 1;
    bool uniform_ = true;
    std::vector<Chunk> chunks_;
    std::vector<size_t> starts_;
};

// Consecutive rows inside one chunk: the unit of work of a scan.
struct Block {
    const char* data;
    size_t first;  // offset of the first row
    size_t rows;
};

// Cuts all rows into blocks of at most `rows_per_block`.
inline std::vector<Block> make_blocks(const Rows& rows, size_t rows_per_block) {
    std::vector<Block> blocks;
    for (size_t c = 0; c < rows.chunk_count(); ++c)
        for (size_t at = 0; at < rows.chunk(c).rows; at += rows_per_block)
            blocks.push_back({rows.chunk(c).data + at * rows.row_bytes(), rows.chunk_start(c) + at,
                              std::min(rows_per_block, rows.chunk(c).rows - at)});
    return blocks;
}

// Writes base + i for every i < n with mask[i] != 0 to `chosen` (room for n + 1) and returns how many there are.
inline size_t choose_masked(const uint8_t* mask, size_t n, uint32_t base, uint32_t* chosen) {
    size_t m = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        std::memcpy(&eight, mask + i, 8);
        if (eight == 0) continue;  // filters leave long gaps
        for (size_t j = i; j < i + 8; ++j) {
            chosen[m] = base + static_cast<uint32_t>(j);
            m += mask[j] != 0;
        }
    }
    for (; i < n; ++i) {
        chosen[m] = base + static_cast<uint32_t>(i);
        m += mask[i] != 0;
    }
    return m;
}

}  // namespace edgeshard
