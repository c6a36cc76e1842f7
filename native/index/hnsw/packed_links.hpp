// Bit packing of the links files: one neighbour list, and the monotone array that says where lists begin.
// docs/format/hnsw.md describes both with an example.
//
//   list     := (width-8 : 5 bits, deltas : width bits each)  neighbours : W bits each  zero bits to a byte
//               the first level_m neighbours ascending as deltas, the others as they are; nothing for an empty list,
//               no width field if level_m = 0; W = max(8, bits of points - 1)
//   offsets  := chunk*  FF x 7;  chunk := first : base bits, (value - first : delta bits) x (2^log2 - 1), to a byte
//
// All bit streams are least significant bit first. Unpacking reads 8 bytes at a time: 7 bytes behind a list or an
// array must be readable.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "support/load.hpp"

namespace edgeshard {

inline uint32_t bits_of(uint64_t value) { return value ? 64 - static_cast<uint32_t>(__builtin_clzll(value)) : 0; }

inline constexpr uint32_t kMinLinkBits = 8;
inline constexpr uint32_t kWidthBits = 5;

// W for a graph of that many points.
inline uint32_t link_bits(uint64_t points) {
    const uint32_t bits = bits_of(points ? points - 1 : 0);
    return bits < kMinLinkBits ? kMinLinkBits : bits;
}

// Appends the neighbours of a list of `bytes` bytes (7 readable behind it) to out[0..], which must have room for
// `bytes` of them. Their number, or nothing if one is not below `points`.
std::optional<size_t> unpack_list(const uint8_t* data, size_t bytes, uint32_t level_m, uint32_t points, uint32_t* out);

// Bytes of a packed list of `count` neighbours whose first byte is `first`.
size_t packed_list_bytes(uint64_t count, uint8_t first, uint32_t level_m, uint32_t points);

// Appends a packed list. The first level_m links are sorted in place, which is the order they unpack in.
void pack_list(uint32_t* links, size_t count, uint32_t level_m, uint32_t points, std::vector<uint8_t>& out);

struct OffsetsShape {
    uint64_t length = 0;  // number of values
    uint8_t base_bits = 1, delta_bits = 1, log2 = 0;

    size_t chunk_bytes() const {
        return (base_bits + static_cast<size_t>(delta_bits) * ((size_t{1} << log2) - 1) + 7) / 8;
    }
    // Bytes of the array. `length` must have been compared with the size of the file.
    size_t size_bytes() const { return ((length + (uint64_t{1} << log2) - 1) >> log2) * chunk_bytes() + 7; }
    bool valid() const {
        return base_bits >= 1 && base_bits <= 64 && delta_bits >= 1 && delta_bits <= 56 && log2 <= 7;
    }
};

// Value i (below length) of an array; unchecked, whatever the bytes say.
inline uint64_t unpack_offset(const uint8_t* data, const OffsetsShape& shape, uint64_t i) {
    const uint8_t* chunk = data + (i >> shape.log2) * shape.chunk_bytes();
    const uint64_t base = load<uint64_t>(chunk) & (~uint64_t{0} >> (64 - shape.base_bits));
    const uint64_t within = i & ((uint64_t{1} << shape.log2) - 1);
    if (!within) return base;
    const uint64_t bit = shape.base_bits + (within - 1) * shape.delta_bits;
    return base + ((load<uint64_t>(chunk + (bit >> 3)) >> (bit & 7)) & (~uint64_t{0} >> (64 - shape.delta_bits)));
}

// The smallest encoding; on a tie the one with the shortest chunks.
OffsetsShape best_shape(const std::vector<uint64_t>& values);
void pack_offsets(const std::vector<uint64_t>& values, const OffsetsShape& shape, std::vector<uint8_t>& out);

}  // namespace edgeshard
