// Slices of a collection: a point belongs to slice `index` of `total` when the SipHash-2-4 of its id says so.
// Aumasson and Bernstein (2012), "SipHash: a fast short-input PRF"; the key is zero.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgeshard {

// SipHash-2-4 with key 0 of `size` bytes.
uint64_t siphash24(const uint8_t *data, size_t size);

// out[i] = id i is in the slice. An integer id is `low[i]` (hashed as 8 bytes, little-endian), a UUID is the 128-bit
// number high[i]:low[i] (hashed as 16 bytes, big-endian as in RFC 9562).
void slice_mask(const uint64_t *low, const uint64_t *high, const bool *is_uuid, size_t count, uint64_t total,
                uint64_t index, bool *out);

} // namespace edgeshard
