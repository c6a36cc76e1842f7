// Lists of offsets.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "kernels/rows.hpp"

namespace edgeshard {

// The same offsets ascending and each once. Throws std::invalid_argument for one that is not below `limit`.
inline std::vector<uint32_t> distinct_offsets(std::vector<uint32_t> offsets, size_t limit) {
    constexpr size_t kFew = 256;  // so few are sorted, more are marked
    bool inside = true, ascending = true;
    for (size_t i = 0; i < offsets.size(); ++i) {
        inside &= offsets[i] < limit;
        ascending &= i == 0 || offsets[i - 1] < offsets[i];
    }
    if (!inside) throw std::invalid_argument("it names a point the segment does not have");
    if (ascending) return offsets;
    if (offsets.size() <= kFew) {
        std::sort(offsets.begin(), offsets.end());
        offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
        return offsets;
    }
    std::vector<uint8_t> mask(limit);
    for (const uint32_t offset : offsets) mask[offset] = 1;
    offsets.resize(std::min(offsets.size(), limit) + 1);
    offsets.resize(choose_masked(mask.data(), limit, 0, offsets.data()));
    return offsets;
}

}  // namespace edgeshard
