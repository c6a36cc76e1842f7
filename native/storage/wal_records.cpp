#include "storage/wal_records.hpp"

#include <algorithm>

#include "codec/crc32c.hpp"
#include "support/load.hpp"

namespace edgeshard::wal {
namespace {

/// Size of the record at `offset` if its length fits into the file, else 0.
size_t fitting_record(const uint8_t *data, size_t size, size_t offset, uint64_t &n) {
    if (offset > size || size - offset < 12) return 0;
    n = load<uint64_t>(data + offset);
    const size_t room = size - offset - 12;
    return n <= room && padding(n) <= room - n ? record_bytes(n) : 0;
}

bool valid_record(const uint8_t *data, size_t size, size_t offset, uint32_t previous, size_t &bytes) {
    uint64_t n = 0;
    bytes = fitting_record(data, size, offset, n);
    if (!bytes) return false;
    return crc32c(wal_crc_start(previous), data + offset, bytes - 4) == load<uint32_t>(data + offset + bytes - 4);
}

/// Whether a 512-byte sector, as far as it lies in the record, is all zero: a write the disk never made.
bool has_lost_sector(const uint8_t *data, size_t start, size_t stop) {
    constexpr size_t sector = 512;
    for (size_t at = start; at < stop;) {
        const size_t next = std::min(stop, (at / sector + 1) * sector);
        if (std::all_of(data + at, data + next, [](uint8_t byte) { return byte == 0; })) return true;
        at = next;
    }
    return false;
}

/// A record that may have a wrong length field. Its end is tried at ascending places, and what is common to the
/// checksums up to them is computed once.
class WrongLength {
public:
    WrongLength(const uint8_t *data, size_t offset, uint32_t previous)
        : data_(data), offset_(offset), read_(offset + 8), previous_(previous) {}

    /// Whether [offset, resume) is a record whose length field alone is wrong: one of the eight lengths it could have
    /// had must give the stored checksum.
    bool alone_up_to(size_t resume) {
        const uint32_t stored = load<uint32_t>(data_ + resume - 4);
        const size_t bytes = resume - offset_ - 12;
        crc_ = crc32c(crc_, data_ + read_, resume - 4 - read_);
        read_ = resume - 4;
        const uint32_t rest = crc_ ^ crc32c_zeroes(0, bytes);  // checksums are affine in what they start with
        for (uint64_t pad = 0; pad < std::min<uint64_t>(8, bytes + 1); ++pad) {
            const uint64_t n = bytes - pad;
            if ((crc32c_zeroes(crc32c(wal_crc_start(previous_), &n, 8), bytes) ^ rest) == stored) return true;
        }
        return false;
    }

private:
    const uint8_t *data_;
    size_t offset_, read_;
    uint32_t previous_, crc_ = 0;
};

}  // namespace

uint32_t record_crc(uint32_t previous, const uint8_t *payload, size_t n) {
    const uint64_t length = n, zero = 0;
    uint32_t crc = crc32c(wal_crc_start(previous), &length, 8);
    crc = crc32c(crc, payload, n);
    return crc32c(crc, &zero, padding(n));
}

Scan scan(const uint8_t *data, size_t size, size_t offset, uint32_t previous) {
    Scan result;
    result.crc = previous;
    for (result.end = offset;;) {
        uint64_t n = 0;
        const size_t bytes = fitting_record(data, size, result.end, n);
        if (!bytes) {
            result.stop = size - std::min(size, result.end) < 12 ? Stop::end_of_file : Stop::bad_length;
            return result;
        }
        const uint32_t stored = load<uint32_t>(data + result.end + bytes - 4);
        if (n == 0 && stored == 0) {
            result.stop = Stop::zeroes;
            return result;
        }
        if (crc32c(wal_crc_start(result.crc), data + result.end, bytes - 4) != stored) {
            result.stop = Stop::bad_crc;
            return result;
        }
        result.offsets.push_back(int64_t(result.end));
        result.lengths.push_back(int64_t(n));
        result.crc = stored;
        result.end += bytes;
    }
}

Start skip(const uint8_t *data, size_t size, size_t offset, uint32_t previous, size_t most) {
    Start at{0, offset, previous};
    while (at.records < most) {
        uint64_t n = 0, following = 0;
        const size_t bytes = fitting_record(data, size, at.offset, n), next = at.offset + bytes;
        if (!bytes || !fitting_record(data, size, next, following) || following == 0) return at;
        at = {at.records + 1, next, load<uint32_t>(data + next - 4)};
    }
    return at;
}

Damage inspect(const uint8_t *data, size_t size, size_t offset, uint32_t previous) {
    uint64_t n = 0;
    size_t following = 0;
    const size_t bytes = fitting_record(data, size, offset, n);
    if (bytes && valid_record(data, size, offset + bytes, load<uint32_t>(data + offset + bytes - 4), following)) {
        const size_t resume = offset + bytes;
        if (has_lost_sector(data, offset, resume)) return {};
        return {true, resume, load<uint32_t>(data + resume - 4), 0};
    }
    // The length itself may be what is damaged: look for the next record. The checksums tried on the way are bounded.
    size_t budget = size + (size_t(64) << 20), first = 0;
    WrongLength record(data, offset, previous);
    for (size_t resume = offset + 16; resume + 12 < size; resume += 8) {
        if (!load<uint64_t>(data + resume)) continue;
        const size_t candidate = fitting_record(data, size, resume, n);
        if (!candidate) continue;
        if (budget < candidate) break;
        budget -= candidate;
        if (!valid_record(data, size, resume, load<uint32_t>(data + resume - 4), following)) continue;
        if (record.alone_up_to(resume)) return {true, resume, load<uint32_t>(data + resume - 4), 0};
        if (!first) first = resume;
    }
    if (!first || has_lost_sector(data, offset, first)) return {};
    return {false, 0, 0, first};
}

}  // namespace edgeshard::wal
