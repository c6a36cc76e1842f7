// IEEE half precision <-> single precision in plain integer arithmetic (instruction sets with a conversion use theirs).
#pragma once
#include <cstdint>
#include <cstring>

namespace edgeshard {

// Exact: every half is a single. NaN payloads are kept.
static inline float half_to_float(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
    const uint32_t magnitude = half & 0x7fffu;
    uint32_t bits;
    if (magnitude >= 0x7c00u) {  // inf, NaN
        bits = sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13);
    } else if (magnitude >= 0x0400u) {  // normal: shift, change the bias from 15 to 127
        bits = sign | ((magnitude << 13) + ((127u - 15u) << 23));
    } else {  // zero and subnormal: magnitude * 2^-24 is exact
        float value = static_cast<float>(magnitude) * 0x1p-24f;
        std::memcpy(&bits, &value, 4);
        bits |= sign;
    }
    float out;
    std::memcpy(&out, &bits, 4);
    return out;
}

}  // namespace edgeshard
