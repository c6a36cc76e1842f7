// A plain read of memory, once and in order: the floor any scan is measured against.
#pragma once
#include <cstddef>
#include <cstdint>

namespace edgeshard {

// The bitwise exclusive or of all 64-bit words of `bytes` bytes (a shorter end is left out), read in blocks by up to
// `threads` threads (0 = as many as a scan of as many bytes would use).
uint64_t streaming_read(const void* data, size_t bytes, unsigned threads);

}  // namespace edgeshard
