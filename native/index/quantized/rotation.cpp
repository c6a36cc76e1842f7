#include "index/quantized/rotation.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace edgeshard::quantized {
namespace {

constexpr uint64_t kSeeds[] = {654605292835415893u, 8636605637963351413u, 1775280196666917949u};

std::vector<uint32_t> permutation(uint64_t state, size_t n) {
    std::vector<uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    for (size_t i = n; i-- > 1;) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        std::swap(order[i], order[(state >> 32) % (i + 1)]);
    }
    return order;
}

}  // namespace

Rotation::Rotation(size_t n) : n_(n), hadamard_(hadamard_fn()) {
    for (size_t i = 0; i < maps_.size(); ++i) maps_[i] = permutation(kSeeds[i], n);
}

void Rotation::transform(double* x) const {
    for (size_t start = 0; start < n_;) {
        const size_t size = std::bit_floor(n_ - start);
        hadamard_(x + start, size);
        start += size;
    }
}

void Rotation::forward(double* x, double* scratch) const {
    transform(x);
    for (const auto& map : maps_) {
        for (size_t i = 0; i < n_; ++i) scratch[i] = x[map[i]];
        std::copy(scratch, scratch + n_, x);
        transform(x);
    }
}

void Rotation::inverse(const LaneKernels& kernels, LaneNumbers* x, LaneNumbers* out) const {
    static_assert(std::tuple_size_v<decltype(maps_)> % 2 == 1);  // the last permutation ends in `out`
    const auto transform = [&](LaneNumbers* from, const uint32_t* places, LaneNumbers* to) {
        for (size_t start = 0; start < n_;) {
            const size_t size = std::bit_floor(n_ - start);
            kernels.hadamard(from + start, size, places ? places + start : nullptr, to);
            start += size;
        }
    };
    for (size_t k = maps_.size(); k-- > 0; std::swap(x, out)) transform(x, maps_[k].data(), out);
    transform(x, nullptr, nullptr);  // in place
}

}  // namespace edgeshard::quantized
