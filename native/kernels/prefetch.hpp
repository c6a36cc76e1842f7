// Asking for memory before it is needed.
#pragma once
#include <cstddef>

namespace edgeshard {

inline constexpr size_t kCacheLine = 64;

// How many rows ahead a loop over scattered rows should ask: enough to cover a memory access with the work on the
// rows before it, few enough to stay in the cache.
inline constexpr size_t kPrefetchRows = 6;

// Asks for the first `bytes` bytes of a row, at most `max_bytes` of them (hardware follows a row once it is begun).
// GCC takes a function that does nothing else for one without effect, and leaves calls of it out: so must be inlined what
// only asks for memory.
[[gnu::always_inline]] inline void prefetch_row(const void* row, size_t bytes, size_t max_bytes = 2048) {
    const char* p = static_cast<const char*>(row);
    if (bytes > max_bytes) bytes = max_bytes;
    for (size_t at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(p + at, 0, 3);
    if (bytes) __builtin_prefetch(p + bytes - 1, 0, 3);
}

}  // namespace edgeshard
