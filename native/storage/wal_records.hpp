// Records of a write-ahead log file (docs/format/wal.md): u64 length, payload, 0..7 zero bytes, u32 chained CRC-32C.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgeshard::wal {

inline constexpr size_t header_bytes = 8;

/// Zero bytes behind a payload of n bytes, so that the record is a multiple of 8.
inline constexpr size_t padding(uint64_t n) { return size_t((4 - n) & 7); }
inline constexpr size_t record_bytes(uint64_t n) { return 8 + n + padding(n) + 4; }

enum class Stop : int { end_of_file = 0, zeroes = 1, bad_length = 2, bad_crc = 3 };

struct Scan {
    std::vector<int64_t> offsets, lengths;  // of the payloads' records
    size_t end = 0;                         // where the first record that is not valid starts
    uint32_t crc = 0;                       // of the last valid one
    Stop stop = Stop::end_of_file;
};

/// Reads valid records from `offset`, the first chained to `previous`.
Scan scan(const uint8_t *data, size_t size, size_t offset, uint32_t previous);

/// Where a reader that needs no record before number `most` may start.
struct Start {
    size_t records = 0;  // passed over, at most `most`
    size_t offset = 0;   // of the next one
    uint32_t crc = 0;    // what it is chained to
};

/// Follows the lengths of records from `offset` without checking anything, and stops before the last one. Whether the
/// lengths led to the right place is shown by the record there: it must be valid (see scan()).
Start skip(const uint8_t *data, size_t size, size_t offset, uint32_t previous, size_t most);

/// What lies behind an invalid record.
struct Damage {
    bool in_the_middle = false;  // the log demonstrably goes on behind it
    size_t resume = 0;           // where
    uint32_t crc = 0;            // what the record there is chained to
    size_t stranger = 0;         // otherwise: where a valid record lies, of this log or of an earlier life of the file
};

/// Decides between a torn tail (nothing provably follows, or a lost disk sector explains the hole) and damage.
Damage inspect(const uint8_t *data, size_t size, size_t offset, uint32_t previous);

/// CRC of the record with this payload.
uint32_t record_crc(uint32_t previous, const uint8_t *payload, size_t n);

}  // namespace edgeshard::wal
