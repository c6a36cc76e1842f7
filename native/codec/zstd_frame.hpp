// Reading of Zstandard frames (RFC 8878), without dictionaries: what Qdrant keeps a few arrays of payload indexes in.
//
// A frame is a header and blocks, each raw, one byte repeated, or compressed: literals (raw, repeated or Huffman coded)
// and sequences (literal length, match length, offset) coded by three finite-state tables. The optional checksum at the
// end of a frame is skipped: callers check what the numbers mean.
#pragma once
#include <cstddef>
#include <cstdint>

namespace edgeshard {

// Decompresses one frame into exactly `target_size` bytes. Returns false, never touching a byte outside either buffer,
// when the frame is malformed, needs a dictionary, or holds another number of bytes.
bool zstd_decompress(const uint8_t *source, size_t size, uint8_t *target, size_t target_size);

}  // namespace edgeshard
