// tracker_journal.dat: slot changes since the tracker was last written.
//
//   record   u32 body length (a multiple of 20) | u32 CRC-32C of the body | body
//   body     entries of u32 slot | u32 present | u32 page | u32 block | u32 length
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgeshard {

struct JournalEntry {
    uint32_t slot, present, page, block, length;
};
static_assert(sizeof(JournalEntry) == 20);

// All entries, oldest first; reading stops at the first short record or wrong checksum, as a torn write leaves it.
std::vector<JournalEntry> read_tracker_journal(const uint8_t *data, size_t size);

}  // namespace edgeshard
