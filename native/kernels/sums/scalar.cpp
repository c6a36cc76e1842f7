// Sums above a bar for any processor: the definition.
#include "kernels/sums/sums.hpp"

namespace edgeshard {

void sums_above_scalar(const float* sums, size_t groups, float least, uint64_t* out) {
    for (size_t g = 0; g < groups; ++g, sums += kSumGroup) {
        uint64_t bits = 0;
        for (size_t i = 0; i < kSumGroup; ++i) bits |= static_cast<uint64_t>((sums[i] > least) & (sums[i] != 0.0f)) << i;
        out[g] = bits;
    }
}

}  // namespace edgeshard
