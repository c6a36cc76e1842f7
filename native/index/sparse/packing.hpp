// 128 ascending ids in the fewest bits: the "BitPacker4x" layout of sorted blocks, see docs/format/sparse-index.md.
#pragma once
#include <cstddef>
#include <cstdint>

namespace edgeshard::sparse {

inline constexpr size_t kBlock = 128;  // postings in a full block
inline constexpr size_t kLanes = 4;    // interleaved streams of u32 words

// Bytes of a block whose gaps have `bits` bits.
inline size_t packed_bytes(unsigned bits) { return bits * kBlock / 8; }

// Bits of the largest gap of 128 strictly ascending ids: gap[i] = id[i] - id[i - 1] - 1, gap[0] = 0.
unsigned gap_bits(const uint32_t* ids);

// Writes packed_bytes(bits) bytes.
void pack_ids(const uint32_t* ids, unsigned bits, uint8_t* out);

// Reads packed_bytes(bits) bytes, bits <= 32; `first` is the first id of the block. Sums wrap around at 2^32.
void unpack_ids(const uint8_t* data, unsigned bits, uint32_t first, uint32_t* ids);

// The gaps alone, for checking blocks nobody has looked at yet.
void unpack_gaps(const uint8_t* data, unsigned bits, uint32_t* gaps);

}  // namespace edgeshard::sparse
