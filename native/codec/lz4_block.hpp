// LZ4 block format (no frame, no checksum), written after Yann Collet's "LZ4 Block Format Description".
//
// A block is a series of sequences:
//   token      u8: high nibble = literal length, low nibble = match length - 4; 15 means "more bytes follow"
//   [length]   u8*: added to the literal length until one is below 255
//   literals
//   offset     u16 little-endian, 1..65535: distance back to the match; absent in the last sequence
//   [length]   u8*: added to the match length until one is below 255
// The last sequence is literals only; the last 5 bytes are literals and no match starts in the last 12.
#pragma once
#include <cstddef>
#include <cstdint>

namespace edgeshard {

// Most bytes lz4_compress can produce from `size` bytes.
constexpr size_t lz4_bound(size_t size) { return size + size / 255 + 16; }

// Whether `size` bytes can come out of `compressed` bytes: one byte of a block adds at most 255 bytes.
constexpr bool lz4_plausible(uint64_t compressed, uint64_t size) { return size <= compressed * 255; }

// Compresses `size` bytes into `target`, which holds lz4_bound(size) bytes; returns the compressed length.
// Greedy, one hash table probe per position; the table lives on the stack and grows with the input.
size_t lz4_compress(const uint8_t *source, size_t size, uint8_t *target);

// Decompresses a block into exactly `target_size` bytes. Returns false, never touching a byte outside
// either buffer, when the block is malformed or holds another number of bytes.
bool lz4_decompress(const uint8_t *source, size_t size, uint8_t *target, size_t target_size);

}  // namespace edgeshard
