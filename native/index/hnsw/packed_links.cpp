#include "index/hnsw/packed_links.hpp"

#include <algorithm>

namespace edgeshard {
namespace {

class BitWriter {
public:
    explicit BitWriter(std::vector<uint8_t>& out) : out_(out) {}

    void put(uint64_t value, uint32_t bits) {  // at most 64
        while (bits) {
            const uint32_t now = std::min(bits, 56 - used_);
            pending_ |= (value & (~uint64_t{0} >> (64 - now))) << used_;
            used_ += now;
            bits -= now;
            value = now < 64 ? value >> now : 0;
            while (used_ >= 8) {
                out_.push_back(static_cast<uint8_t>(pending_));
                pending_ >>= 8;
                used_ -= 8;
            }
        }
    }

    void finish() {  // zero bits to the next byte
        if (used_) out_.push_back(static_cast<uint8_t>(pending_));
        pending_ = used_ = 0;
    }

private:
    std::vector<uint8_t>& out_;
    uint64_t pending_ = 0;
    uint32_t used_ = 0;
};

}  // namespace

std::optional<size_t> unpack_list(const uint8_t* data, size_t bytes, uint32_t level_m, uint32_t points,
                                  uint32_t* out) {
    const uint64_t end = uint64_t{bytes} * 8;
    uint64_t bit = 0;
    size_t n = 0;
    uint64_t largest = 0;
    if (bytes && level_m) {
        const uint32_t width = (data[0] & 31u) + kMinLinkBits;
        if (width > 32) return std::nullopt;
        const uint64_t mask = ~uint64_t{0} >> (64 - width);
        bit = kWidthBits;
        const size_t head = std::min<uint64_t>(level_m, (end - bit) / width);
        uint64_t current = 0;
        for (; n < head; ++n, bit += width) {
            current += (load<uint64_t>(data + (bit >> 3)) >> (bit & 7)) & mask;
            out[n] = static_cast<uint32_t>(current);
        }
        largest = current;  // ascending
    }
    const uint32_t width = link_bits(points);
    const uint64_t mask = ~uint64_t{0} >> (64 - width);
    for (; bit + width <= end; ++n, bit += width) {
        const uint64_t id = (load<uint64_t>(data + (bit >> 3)) >> (bit & 7)) & mask;
        largest = std::max(largest, id);
        out[n] = static_cast<uint32_t>(id);
    }
    if (n && largest >= points) return std::nullopt;
    return n;
}

size_t packed_list_bytes(uint64_t count, uint8_t first, uint32_t level_m, uint32_t points) {
    if (!count) return 0;
    const uint64_t head = std::min<uint64_t>(count, level_m);
    uint64_t bits = (count - head) * link_bits(points);
    if (head) bits += kWidthBits + head * ((first & 31u) + kMinLinkBits);
    return (bits + 7) / 8;
}

void pack_list(uint32_t* links, size_t count, uint32_t level_m, uint32_t points, std::vector<uint8_t>& out) {
    if (!count) return;
    BitWriter writer(out);
    const size_t head = std::min<size_t>(count, level_m);
    if (head) {
        std::sort(links, links + head);
        uint32_t largest = links[0];
        for (size_t i = 1; i < head; ++i) largest = std::max(largest, links[i] - links[i - 1]);
        const uint32_t width = std::max(kMinLinkBits, bits_of(largest));
        writer.put(width - kMinLinkBits, kWidthBits);
        for (size_t i = 0; i < head; ++i) writer.put(i ? links[i] - links[i - 1] : links[0], width);
    }
    for (size_t i = head; i < count; ++i) writer.put(links[i], link_bits(points));
    writer.finish();
}

OffsetsShape best_shape(const std::vector<uint64_t>& values) {
    OffsetsShape best;
    size_t best_size = ~size_t{0};
    for (uint8_t log2 = 0; log2 <= 7; ++log2) {
        OffsetsShape shape{values.size(), static_cast<uint8_t>(std::max(1u, bits_of(values.back()))), 1, log2};
        const size_t step = size_t{1} << log2;
        uint64_t largest = 0;
        for (size_t i = 0; i < values.size(); i += step)
            largest = std::max(largest, values[std::min(i + step, values.size()) - 1] - values[i]);
        const uint32_t delta_bits = std::max(1u, bits_of(largest));
        if (delta_bits > 56) continue;
        shape.delta_bits = static_cast<uint8_t>(delta_bits);
        if (shape.size_bytes() < best_size) {
            best = shape;
            best_size = shape.size_bytes();
        }
    }
    return best;
}

void pack_offsets(const std::vector<uint64_t>& values, const OffsetsShape& shape, std::vector<uint8_t>& out) {
    const size_t step = size_t{1} << shape.log2;
    for (size_t i = 0; i < values.size(); i += step) {
        BitWriter writer(out);
        writer.put(values[i], shape.base_bits);
        for (size_t j = 1; j < step; ++j)
            writer.put(i + j < values.size() ? values[i + j] - values[i] : ~uint64_t{0}, shape.delta_bits);
        writer.finish();
    }
    out.insert(out.end(), 7, 0xff);
}

}  // namespace edgeshard
