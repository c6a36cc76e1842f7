#include "index/sparse/postings.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "support/load.hpp"

namespace edgeshard::sparse {

namespace {

size_t chunk_bytes(WeightType type) {
    return 8 + kBlock * (type == WeightType::f32 ? 4 : type == WeightType::f16 ? 2 : 1);
}

// Half to single without branches, unlike half_to_float(), so that a loop over a block becomes vector code: the exponent
// is rebiased by a multiplication, which is exact and also right for subnormals; what lands at 2^16 or above was inf or
// NaN.
float from_half(uint16_t half) {
    const float scaled = std::bit_cast<float>(static_cast<uint32_t>(half & 0x7fffu) << 13) * 0x1p112f;
    uint32_t bits = std::bit_cast<uint32_t>(scaled);
    bits |= scaled >= 65536.0f ? 0x7f800000u : 0u;
    return std::bit_cast<float>(bits | static_cast<uint32_t>(half & 0x8000u) << 16);
}

}  // namespace

uint32_t PackedList::chunk_first(size_t chunk) const { return load<uint32_t>(chunks + chunk * chunk_bytes(type)); }

uint32_t PackedList::chunk_offset(size_t chunk) const {
    return load<uint32_t>(chunks + chunk * chunk_bytes(type) + 4);
}

uint32_t PackedList::chunk_end(size_t chunk) const {
    return chunk + 1 < chunk_count ? chunk_offset(chunk + 1) : ids_bytes;
}

void PackedList::unpack_weights(size_t block, float* out) const {
    const bool full = block < chunk_count;
    const uint8_t* from = full ? chunks + block * chunk_bytes(type) + 8 : tail + 4;
    const size_t n = full ? kBlock : tail_size;
    const size_t stride = !full ? 8 : type == WeightType::f32 ? 4 : type == WeightType::f16 ? 2 : 1;
    if (type == WeightType::f32) {
        if (full) {
            std::memcpy(out, from, kBlock * 4);
        } else {
            for (size_t i = 0; i < n; ++i) out[i] = load<float>(from + i * stride);
        }
    } else if (type == WeightType::f16) {
        for (size_t i = 0; i < n; ++i) out[i] = from_half(load<uint16_t>(from + i * stride));
    } else {
        for (size_t i = 0; i < n; ++i) out[i] = low + static_cast<float>(from[i * stride]) * step;
    }
}

Block PackedList::unpack(size_t block, Scratch& scratch) const {
    unpack_weights(block, scratch.weights);
    if (block < chunk_count) {
        const uint32_t from = chunk_offset(block);
        const unsigned bits = static_cast<unsigned>((chunk_end(block) - from) * 8 / kBlock);
        unpack_ids(ids + from, bits, chunk_first(block), scratch.ids);
        return {scratch.ids, scratch.weights, kBlock};
    }
    for (size_t i = 0; i < tail_size; ++i) scratch.ids[i] = load<uint32_t>(tail + 8 * i);
    return {scratch.ids, scratch.weights, tail_size};
}

BlockInfo describe(const Block& block) {
    float least = std::numeric_limits<float>::infinity(), most = -least;
    for (size_t i = 0; i < block.size; ++i) {
        least = block.weights[i] < least ? block.weights[i] : least;
        most = block.weights[i] > most ? block.weights[i] : most;
    }
    return {block.ids[0], block.ids[block.size - 1], least, most};
}

std::vector<float> spread(const List& list, size_t points) {
    std::vector<float> weights(points);
    Scratch scratch;
    for (size_t b = 0; b < list.block_count; ++b) {
        const Block block = list.block(b, scratch);
        for (size_t i = 0; i < block.size; ++i) weights[block.ids[i]] = block.weights[i];
    }
    return weights;
}

}  // namespace edgeshard::sparse
