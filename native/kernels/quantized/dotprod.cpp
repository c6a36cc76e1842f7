// Kernels over compressed vectors for Armv8.2 with dot products: those over bytes; the others are those of NEON.
#include "kernels/isa/neon.hpp"
#include "kernels/quantized/loops.hpp"

namespace edgeshard::quantized {
namespace {

void byte_dots(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums) {
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        uint32x4_t sum = vdupq_n_u32(0);
        for_each_16(row, query, bytes, [&](uint8x16_t a, uint8x16_t b) { sum = vdotq_u32(sum, a, b); });
        return static_cast<int32_t>(vaddvq_u32(sum));
    });
}

void byte_distances(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums) {
    const uint8x16_t ones = vdupq_n_u8(1);
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        uint32x4_t sum = vdupq_n_u32(0);
        for_each_16(row, query, bytes, [&](uint8x16_t a, uint8x16_t b) { sum = vdotq_u32(sum, vabdq_u8(a, b), ones); });
        return static_cast<int32_t>(vaddvq_u32(sum));
    });
}

}  // namespace

Kernels kernels_dotprod() {
    Kernels kernels = kernels_neon();
    kernels.byte_dots = byte_dots;
    kernels.byte_distances = byte_distances;
    return kernels;
}

}  // namespace edgeshard::quantized
