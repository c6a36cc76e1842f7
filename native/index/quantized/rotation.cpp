#include "index/quantized/rotation.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
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

void butterflies(double* x, size_t size, size_t h) {
    for (size_t i = 0; i < size; i += 2 * h)
        for (size_t j = i; j < i + h; ++j) {
            const double a = x[j], b = x[j + h];
            x[j] = a + b;
            x[j + h] = a - b;
        }
}

// Two levels at once, h and 2h: half the passes over memory, the same sums.
void butterflies4(double* x, size_t size, size_t h) {
    for (size_t i = 0; i < size; i += 4 * h)
        for (size_t j = i; j < i + h; ++j) {
            const double a = x[j] + x[j + h], b = x[j] - x[j + h];
            const double c = x[j + 2 * h] + x[j + 3 * h], d = x[j + 2 * h] - x[j + 3 * h];
            x[j] = a + c;
            x[j + h] = b + d;
            x[j + 2 * h] = a - c;
            x[j + 3 * h] = b - d;
        }
}

}  // namespace

Rotation::Rotation(size_t n) : n_(n) {
    for (size_t i = 0; i < maps_.size(); ++i) maps_[i] = permutation(kSeeds[i], n);
}

void Rotation::transform(double* x) const {
    for (size_t start = 0; start < n_;) {
        const size_t size = std::bit_floor(n_ - start);
        double* block = x + start;
        size_t h = 1;
        for (; 4 * h <= size; h *= 4) butterflies4(block, size, h);
        if (h < size) butterflies(block, size, h);
        const double by = 1 / std::sqrt(static_cast<double>(size));
        for (size_t i = 0; i < size; ++i) block[i] *= by;
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

void Rotation::inverse(double* x, double* scratch) const {
    for (size_t k = maps_.size(); k-- > 0;) {
        transform(x);
        for (size_t i = 0; i < n_; ++i) scratch[maps_[k][i]] = x[i];
        std::copy(scratch, scratch + n_, x);
    }
    transform(x);
}

}  // namespace edgeshard::quantized
