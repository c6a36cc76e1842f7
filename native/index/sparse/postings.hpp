// Posting lists as a search sees them: blocks of up to 128 postings with the range of their ids and weights.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "index/sparse/packing.hpp"

namespace edgeshard::sparse {

// What is known of a block without reading it.
struct BlockInfo {
    uint32_t first, last;  // smallest and largest id
    float least, most;     // smallest and largest weight, NaN ignored
};

// Postings ready for use, ids ascending.
struct Block {
    const uint32_t* ids;
    const float* weights;
    size_t size;
};

// Room for a block that has to be unpacked.
struct Scratch {
    uint32_t ids[kBlock];
    float weights[kBlock];
};

enum class WeightType : uint8_t { f32, f16, u8 };

// A list of the compressed index, checked for the sizes of its parts.
struct PackedList {
    const uint8_t* ids = nullptr;  // packed id area
    uint32_t ids_bytes = 0;
    const uint8_t* chunks = nullptr;
    uint32_t chunk_count = 0;
    const uint8_t* tail = nullptr;
    uint32_t tail_size = 0;
    WeightType type = WeightType::f32;
    float low = 0, step = 0;  // u8: weight = low + code * step

    size_t size() const { return chunk_count * kBlock + tail_size; }
    size_t blocks() const { return chunk_count + (tail_size ? 1 : 0); }
    uint32_t chunk_first(size_t chunk) const;
    uint32_t chunk_offset(size_t chunk) const;  // where its packed ids start in the area
    uint32_t chunk_end(size_t chunk) const;
    Block unpack(size_t block, Scratch& scratch) const;
    void unpack_weights(size_t block, float* out) const;
};

// One posting list, plain (`ids`, `weights`) or packed. Valid while nobody changes the index.
struct List {
    const BlockInfo* blocks = nullptr;
    size_t block_count = 0;
    size_t size = 0;
    const uint32_t* ids = nullptr;
    const float* weights = nullptr;
    const PackedList* packed = nullptr;
    const float* dense = nullptr;  // of a list that many points are in: the weights by id, 0 for points that are not
    size_t dense_size = 0;

    Block block(size_t b, Scratch& scratch) const {
        if (packed) return packed->unpack(b, scratch);
        const size_t at = b * kBlock;
        return {ids + at, weights + at, size - at < kBlock ? size - at : kBlock};
    }
};

BlockInfo describe(const Block& block);

// Whether a list of `size` postings of points below `points` is worth an array of all weights: adding that up costs as
// much as adding up a tenth as many postings.
inline bool worth_dense(size_t size, size_t points) { return size >= 4 * kBlock && size > points / 8; }

// The weights of a list by id, for ids below `points`.
std::vector<float> spread(const List& list, size_t points);

// Why a file cannot be what it should be, and where.
struct Damage {
    std::string reason;
    uint64_t offset = 0;
    explicit operator bool() const { return !reason.empty(); }
};

// A source of posting lists by dimension.
class Index {
public:
    virtual ~Index() = default;
    // The list of a dimension, empty if there is none, with its blocks described. Thread safe.
    virtual Damage find(uint32_t dimension, List& out) = 0;
    // Number of its postings, without reading them.
    virtual size_t length(uint32_t dimension) const = 0;
    // Points with a vector that is not empty.
    virtual uint64_t vectors() const = 0;
};

}  // namespace edgeshard::sparse
