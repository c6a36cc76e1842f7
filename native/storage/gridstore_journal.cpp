#include "storage/gridstore_journal.hpp"

#include <array>
#include <cstring>

namespace edgeshard {
namespace {

constexpr uint32_t kCastagnoli = 0x82F63B78;  // the CRC-32C polynomial, reflected

constexpr std::array<uint32_t, 256> crc_table() {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? kCastagnoli : 0);
        table[i] = value;
    }
    return table;
}

// A journal is at most a few tens of kilobytes, so a byte at a time is fast enough.
uint32_t crc32c(const uint8_t *data, size_t size) {
    static constexpr auto table = crc_table();
    uint32_t value = ~uint32_t(0);
    for (size_t i = 0; i < size; ++i) value = table[(value ^ data[i]) & 255] ^ value >> 8;
    return ~value;
}

}  // namespace

std::vector<JournalEntry> read_tracker_journal(const uint8_t *data, size_t size) {
    std::vector<JournalEntry> entries;
    size_t at = 0;
    while (size - at >= 8) {
        uint32_t header[2];
        std::memcpy(header, data + at, sizeof header);
        size_t body = header[0];
        at += sizeof header;
        if (body % sizeof(JournalEntry) || body > size - at || crc32c(data + at, body) != header[1]) break;
        size_t first = entries.size();
        entries.resize(first + body / sizeof(JournalEntry));
        if (body) std::memcpy(entries.data() + first, data + at, body);
        at += body;
    }
    return entries;
}

}  // namespace edgeshard
