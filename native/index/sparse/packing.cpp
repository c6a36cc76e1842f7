#include "index/sparse/packing.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace edgeshard::sparse {

namespace {

using Unpack = void (*)(const uint8_t* data, uint32_t* out);

// Row r of lane l starts at bit r * Bits of the lane's stream; word w of lane l is number 4 w + l. The number of bits
// is fixed at compile time, so that every shift is a constant and the four lanes go through one vector register.
template <unsigned Bits>
void unpack_fixed(const uint8_t* data, uint32_t* out) {
    if constexpr (Bits == 0) {
        std::fill_n(out, kBlock, 0u);
        return;
    } else {
        constexpr uint32_t mask = Bits == 32 ? ~0u : (1u << Bits) - 1;
        uint32_t words[kLanes * Bits];
        std::memcpy(words, data, sizeof(words));
        [&]<size_t... Row>(std::index_sequence<Row...>) {
            (
                [&] {
                    constexpr unsigned word = Row * Bits / 32, shift = Row * Bits % 32;
                    for (size_t l = 0; l < kLanes; ++l) {
                        uint32_t value = words[kLanes * word + l] >> shift;
                        if constexpr (shift + Bits > 32) value |= words[kLanes * (word + 1) + l] << (32 - shift);
                        out[kLanes * Row + l] = value & mask;
                    }
                }(),
                ...);
        }(std::make_index_sequence<kBlock / kLanes>{});
    }
}

template <size_t... Bits>
constexpr std::array<Unpack, sizeof...(Bits)> unpack_table(std::index_sequence<Bits...>) {
    return {unpack_fixed<Bits>...};
}

constexpr auto kUnpack = unpack_table(std::make_index_sequence<33>{});

}  // namespace

unsigned gap_bits(const uint32_t* ids) {
    uint32_t all = 0;
    for (size_t i = 1; i < kBlock; ++i) all |= ids[i] - ids[i - 1] - 1;
    return static_cast<unsigned>(std::bit_width(all));
}

void pack_ids(const uint32_t* ids, unsigned bits, uint8_t* out) {
    if (!bits) return;
    uint32_t words[kLanes * 32] = {};
    for (size_t i = 0; i < kBlock; ++i) {
        const uint32_t gap = i ? ids[i] - ids[i - 1] - 1 : 0;
        const size_t at = i / kLanes * bits, word = at / 32, shift = at % 32, lane = i % kLanes;
        words[kLanes * word + lane] |= gap << shift;
        if (shift + bits > 32) words[kLanes * (word + 1) + lane] |= gap >> (32 - shift);
    }
    std::memcpy(out, words, packed_bytes(bits));
}

void unpack_gaps(const uint8_t* data, unsigned bits, uint32_t* gaps) { kUnpack[bits](data, gaps); }

void unpack_ids(const uint8_t* data, unsigned bits, uint32_t first, uint32_t* ids) {
    kUnpack[bits](data, ids);
    uint32_t id = first - 1;
    for (size_t i = 0; i < kBlock; ++i) ids[i] = id += ids[i] + 1;
}

}  // namespace edgeshard::sparse
