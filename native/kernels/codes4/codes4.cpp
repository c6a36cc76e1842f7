#include "kernels/codes4/codes4.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace edgeshard {
namespace {

constexpr int kLargest = 127;  // magnitude of a byte code

// Half the distance between two levels, in units of byte codes. The largest magnitude of a row is always 127: levels
// that cover all of it are too coarse for the many small elements, so some that do not are tried as well.
constexpr double kSteps[] = {8.0, 6.8, 5.8, 4.9, 4.1};
constexpr size_t kTried = sizeof kSteps / sizeof *kSteps;

// What every step makes of the magnitudes 0 .. 127 and of the bytes. Zero has level 1.
struct Levels {
    int32_t product[kTried][kLargest + 1];  // v * level(v), where level(v) is the odd number 1, 3 .. 15
    int32_t square[kTried][kLargest + 1];   // level(v)^2
    uint8_t nibble[kTried][256];            // (level + 15) / 2 with the sign of the byte's element

    Levels() {
        for (size_t t = 0; t < kTried; ++t) {
            for (int v = 0; v <= kLargest; ++v) {
                product[t][v] = v * level(t, v);
                square[t][v] = level(t, v) * level(t, v);
            }
            for (int byte = 0; byte < 256; ++byte) {
                const int v = byte - 128, l = level(t, std::min(std::abs(v), kLargest));
                nibble[t][byte] = static_cast<uint8_t>(((v < 0 ? -l : l) + 15) / 2);
            }
        }
    }

    static int level(size_t t, int v) { return std::min(2 * static_cast<int>(v / (2 * kSteps[t])) + 1, 15); }
};

const Levels& levels() {
    static const Levels all;
    return all;
}

// Over a row: the sums of v * level(v) and of level(v)^2. They fit: kMaxDim * 15 * 127 < 2^27.
struct Fit {
    int32_t product = 0, square = 0;
};

// The step that leaves least of a row out, and what it fits. `counts`: how many elements have each magnitude.
size_t best_step(const int32_t* counts, Fit& fit) {
    const Levels& all = levels();
    size_t best = 0;
    double kept = -1;  // what the best fit so far explains of the row's square
    for (size_t t = 0; t < kTried; ++t) {
        Fit tried;
        for (int v = 0; v <= kLargest; ++v) {
            tried.product += counts[v] * all.product[t][v];
            tried.square += counts[v] * all.square[t][v];
        }
        const double explains = static_cast<double>(tried.product) * tried.product / tried.square;
        if (explains > kept) {
            kept = explains;
            best = t;
            fit = tried;
        }
    }
    return best;
}

}  // namespace

void encode_nibbles(const uint8_t* codes, size_t dim, float scale, float error, uint8_t* nibbles) {
    const size_t width = nibble_width(dim);
    const auto put_numbers = [&](float own_scale, float own_error, float own_norm) {
        const float numbers[4] = {own_scale, own_error, own_norm, 0};
        std::memcpy(nibbles + width, numbers, sizeof numbers);
    };
    if (!(error < std::numeric_limits<float>::infinity()) || !(scale > 0)) {
        std::fill_n(nibbles, width, uint8_t{0});
        return put_numbers(0, error, 0);
    }
    int32_t counts[kLargest + 1] = {};
    for (size_t i = 0; i < dim; ++i) ++counts[std::min(std::abs(codes[i] - 128), kLargest)];
    int64_t own = 0;
    for (int v = 1; v <= kLargest; ++v) own += int64_t{counts[v]} * v * v;
    Fit fit;
    const uint8_t* nibble = levels().nibble[best_step(counts, fit)];
    const size_t low = std::min(width, dim);
    for (size_t i = 0; i < low; ++i) nibbles[i] = nibble[codes[i]];
    std::fill(nibbles + low, nibbles + width, uint8_t{0});
    for (size_t i = width; i < dim; ++i) nibbles[i - width] |= static_cast<uint8_t>(nibble[codes[i]] << 4);
    // |x^ - x'|^2 from exact sums; the last term covers the cancellation of three doubles.
    const double product = fit.product, square = fit.square;
    const float step = static_cast<float>(scale * (product / square));
    const double s = scale, t = step, whole = s * s * static_cast<double>(own);
    const double missing2 = whole - 2 * s * t * product + t * t * square;
    const double missing = std::sqrt(std::max(missing2, 0.0) + 1e-14 * whole);
    put_numbers(step, static_cast<float>((error + missing) * (1 + 0x1p-20)),
                static_cast<float>(t * std::sqrt(square) * (1 + 0x1p-20)));
}

CodeBoundsFn nibble_bounds(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::avx2: return bounds_codes4_avx2;
        case Isa::avx512: return bounds_codes4_avx512;
#elif defined(__aarch64__)
        case Isa::neon: return bounds_codes4_neon;
        case Isa::dotprod: return bounds_codes4_dotprod;
#endif
        default: return bounds_codes4_scalar;
    }
}

}  // namespace edgeshard
