// CRC-32C (Castagnoli; reflected polynomial 0x82F63B78), as in RFC 3720 section B.4.
//
// crc32c(crc, bytes) continues a finished checksum: it inverts on entry and on exit, so that crc32c(0, data) is the
// standard value and crc32c(crc32c(0, a), b) == crc32c(0, a + b).
//
// wal_crc is the chained form of the write-ahead log: the shift register starts as the bit-reversed checksum of the
// entry before (docs/format/wal.md).
#pragma once
#include <cstddef>
#include <cstdint>

namespace edgeshard {

uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/// As crc32c() of `count` zero bytes, in a time that grows with the logarithm of their number.
uint32_t crc32c_zeroes(uint32_t crc, uint64_t count);

/// The table-driven definition the instruction-set versions are tested against.
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size);

inline uint32_t reverse_bits_32(uint32_t x) {
    x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
    x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
    x = ((x >> 4) & 0x0F0F0F0Fu) | ((x & 0x0F0F0F0Fu) << 4);
    return __builtin_bswap32(x);
}

/// What crc32c() must be started with so that it continues the chain behind `previous`.
inline uint32_t wal_crc_start(uint32_t previous) { return ~reverse_bits_32(previous); }

}  // namespace edgeshard
