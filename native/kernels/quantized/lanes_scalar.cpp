// The kernels over vectors side by side for the baseline of a platform, and the choice between instruction sets.
#include "kernels/quantized/lanes_loops.hpp"

namespace edgeshard::quantized {
namespace {

void spread(RowPointers records, size_t bytes, unsigned bits, const float* levels, const LaneNumbers& by,
            LaneNumbers* x) {
    if (bits >= 8) return spread_numbers(records, bytes, bits, by, x);
    const auto column = [](size_t i) { return i; };
    spread_levels(bytes, bits, x, column, [&](size_t i, unsigned shift, unsigned mask, LaneNumbers& to) {
        for (size_t l = 0; l < kLanes; ++l) to.of[l] = levels[records[l][i] >> shift & mask] * by.of[l];
    });
}

void distances(const float* query, const LaneNumbers* x, size_t n, float* sums) {
    float total[kLanes] = {};
    for (size_t i = 0; i < n; ++i)
        for (size_t l = 0; l < kLanes; ++l) total[l] += std::fabs(query[i] - static_cast<float>(x[i].of[l]));
    std::memcpy(sums, total, sizeof(total));
}

}  // namespace

LaneKernels lane_kernels_scalar() { return {lanes_hadamard<8, 2>, spread, distances}; }

LaneKernels lane_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return lane_kernels_avx512();
    if (isa == Isa::avx2) return lane_kernels_avx2();
#endif
    return lane_kernels_scalar();
}

}  // namespace edgeshard::quantized
