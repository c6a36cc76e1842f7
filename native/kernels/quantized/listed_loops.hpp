// The kernel over bits as a plain loop, compiled once per instruction set by inclusion: counting the bits of a word is one
// instruction in all of them but the baseline.
#pragma once
#include <bit>
#include <cstring>

#include "kernels/quantized/listed.hpp"

namespace edgeshard::quantized {
namespace {

inline void listed_bits(const uint8_t* rows, size_t stride, const uint8_t* bits, const uint32_t* ids, size_t n,
                        int32_t* out) {
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* row = rows + ids[i] * stride;
        int64_t sum = 0;
        for (size_t j = 0; j < stride; j += 64) {
            uint64_t a[8], b[8];
            std::memcpy(a, row + j, 64);
            std::memcpy(b, bits + j, 64);
            for (size_t w = 0; w < 8; ++w) sum += std::popcount(a[w] ^ b[w]);
        }
        out[i] = static_cast<int32_t>(sum);
    }
}

}  // namespace
}  // namespace edgeshard::quantized
