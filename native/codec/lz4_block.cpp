#include "codec/lz4_block.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "support/load.hpp"

namespace edgeshard {
namespace {

constexpr size_t kMinMatch = 4;
constexpr size_t kLastLiterals = 5;    // the block ends with at least so many literals
constexpr size_t kMatchFreeTail = 12;  // no match starts in the last so many bytes
constexpr size_t kMaxDistance = 65535;
constexpr size_t kWild = 16;           // bytes a fast copy may write at once

// Length of the common prefix of a and b, reading a up to `end` (b lies before a).
size_t common_length(const uint8_t *a, const uint8_t *b, const uint8_t *end) {
    const uint8_t *start = a;
    while (a + 8 <= end) {
        uint64_t difference = load<uint64_t>(a) ^ load<uint64_t>(b);
        if (difference) return size_t(a - start) + size_t(std::countr_zero(difference)) / 8;
        a += 8;
        b += 8;
    }
    while (a < end && *a == *b) ++a, ++b;
    return size_t(a - start);
}

uint8_t *put_length(uint8_t *out, size_t rest) {
    for (; rest >= 255; rest -= 255) *out++ = 255;
    *out++ = uint8_t(rest);
    return out;
}

uint8_t *put_literals(uint8_t *out, const uint8_t *literals, size_t count, size_t match_nibble) {
    *out++ = uint8_t(std::min<size_t>(count, 15) << 4 | match_nibble);
    if (count >= 15) out = put_length(out, count - 15);
    if (count) std::memcpy(out, literals, count);
    return out + count;
}

uint8_t *put_sequence(uint8_t *out, const uint8_t *literals, size_t count, size_t distance, size_t length) {
    size_t more = length - kMinMatch;
    out = put_literals(out, literals, count, std::min<size_t>(more, 15));
    *out++ = uint8_t(distance);
    *out++ = uint8_t(distance >> 8);
    return more >= 15 ? put_length(out, more - 15) : out;
}

// Position: the type of a table entry; Bits: log2 of the table's length.
template <class Position, unsigned Bits>
size_t compress(const uint8_t *source, size_t size, uint8_t *target) {
    Position table[size_t(1) << Bits] = {};
    auto slot = [&](const uint8_t *p) -> Position & { return table[load<uint32_t>(p) * 2654435761u >> (32 - Bits)]; };
    const uint8_t *literals = source, *p = source + 1;
    const uint8_t *match_end = source + size - kLastLiterals, *limit = source + size - kMatchFreeTail;
    uint8_t *out = target;
    size_t misses = 0;
    while (p < limit) {
        Position &entry = slot(p);
        const uint8_t *candidate = source + entry;
        entry = Position(p - source);
        if (size_t(p - candidate) > kMaxDistance || load<uint32_t>(candidate) != load<uint32_t>(p)) {
            p += 1 + (misses++ >> 6);  // step faster and faster through what does not compress
            continue;
        }
        while (p > literals && candidate > source && p[-1] == candidate[-1]) --p, --candidate;
        size_t length = kMinMatch + common_length(p + kMinMatch, candidate + kMinMatch, match_end);
        out = put_sequence(out, literals, size_t(p - literals), size_t(p - candidate), length);
        p += length;
        literals = p;
        misses = 0;
        if (p < limit) slot(p - 2) = Position(p - 2 - source);
    }
    return size_t(put_literals(out, literals, size_t(source + size - literals), 0) - target);
}

// Adds the bytes of an extended length; false if the block ends inside it.
bool read_length(const uint8_t *&p, const uint8_t *end, size_t &length) {
    uint8_t more;
    do {
        if (p == end) return false;
        more = *p++;
        length += more;
    } while (more == 255);
    return true;
}

void copy_match(uint8_t *out, size_t distance, size_t length, size_t room) {
    const uint8_t *from = out - distance;
    if (distance >= kWild && room >= length + kWild) {
        for (size_t done = 0; done < length; done += kWild) std::memcpy(out + done, from + done, kWild);
    } else if (distance >= length) {
        std::memcpy(out, from, length);
    } else if (distance == 1) {
        std::memset(out, *from, length);
    } else {
        for (size_t i = 0; i < length; ++i) out[i] = from[i];
    }
}

}  // namespace

size_t lz4_compress(const uint8_t *source, size_t size, uint8_t *target) {
    if (size <= kMatchFreeTail) return size_t(put_literals(target, source, size, 0) - target);
    // Clearing the table costs as much as compressing when it is much larger than the input.
    if (size < 512) return compress<uint16_t, 9>(source, size, target);
    if (size < 4096) return compress<uint16_t, 11>(source, size, target);
    if (size < 65536) return compress<uint16_t, 13>(source, size, target);
    return compress<uint32_t, 14>(source, size, target);
}

bool lz4_decompress(const uint8_t *source, size_t size, uint8_t *target, size_t target_size) {
    const uint8_t *p = source, *end = source + size;
    uint8_t *out = target, *out_end = target + target_size;
    while (p < end) {
        uint8_t token = *p++;
        size_t literals = token >> 4;
        if (literals == 15 && !read_length(p, end, literals)) return false;
        if (literals > size_t(end - p) || literals > size_t(out_end - out)) return false;
        if (literals <= kWild && size_t(end - p) >= kWild && size_t(out_end - out) >= kWild) {
            std::memcpy(out, p, kWild);
        } else if (literals) {
            std::memcpy(out, p, literals);
        }
        p += literals;
        out += literals;
        if (p == end) return out == out_end;
        if (end - p < 2) return false;
        size_t distance = size_t(p[0] | p[1] << 8);
        p += 2;
        size_t length = token & 15;
        if (length == 15 && !read_length(p, end, length)) return false;
        length += kMinMatch;
        if (!distance || distance > size_t(out - target) || length > size_t(out_end - out)) return false;
        copy_match(out, distance, length, size_t(out_end - out));
        out += length;
    }
    return false;  // a block ends with literals, so it is never left here
}

}  // namespace edgeshard
