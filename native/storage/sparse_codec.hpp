// The value a sparse vector has in its store: u64 n, n bytes of packed indices, u64 m, m f32 values (little endian).
//
// Packed indices: nothing for no elements, else a bit stream from the least significant bit of the first byte: 6 bits
// w - 8, then w bits per element, the difference to the previous index. w is what the largest difference needs, at
// least 8. docs/format/sparse-vectors.md has a worked example.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace edgeshard {

// Appends the value of a vector whose indices ascend (equal ones allowed).
void pack_sparse(std::span<const uint32_t> indices, const float *values, std::vector<uint8_t> &out);

// Elements of a packed value, or -1 and the reason.
int64_t sparse_count(std::span<const uint8_t> data, const char *&reason);

// Unpacks a value for which sparse_count() gave `count`; false if an index exceeds 32 bits.
bool unpack_sparse(std::span<const uint8_t> data, size_t count, uint32_t *indices, float *values);

}  // namespace edgeshard
