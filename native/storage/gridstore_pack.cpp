#include "storage/gridstore_pack.hpp"

#include <cstring>

#include "codec/lz4_block.hpp"

namespace edgeshard {

size_t pack_values(const GridConfig &config, const ByteView *values, size_t n, std::vector<uint8_t> &out,
                   uint32_t *lengths) {
    constexpr uint64_t kMax = ~uint32_t(0);
    Scratch scratch;
    for (size_t i = 0; i < n; ++i) {
        lengths[i] = 0;
        ByteView bytes = values[i];
        if (!bytes.data) continue;
        if (config.lz4) {
            if (lz4_bound(bytes.size) > kMax - sizeof(uint32_t)) return i;
            auto size = uint32_t(bytes.size);
            uint8_t *coded = scratch.reserve(sizeof size + lz4_bound(bytes.size));
            std::memcpy(coded, &size, sizeof size);
            bytes = {coded, sizeof size + lz4_compress(bytes.data, bytes.size, coded + sizeof size)};
        }
        if (bytes.size > kMax) return i;
        size_t start = out.size();
        out.resize(start + (bytes.size + config.block_bytes - 1) / config.block_bytes * config.block_bytes);
        if (bytes.size) std::memcpy(out.data() + start, bytes.data, bytes.size);
        lengths[i] = uint32_t(bytes.size);
    }
    return n;
}

}  // namespace edgeshard
