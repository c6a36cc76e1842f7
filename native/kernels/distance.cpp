#include "kernels/distance.hpp"

#include "kernels/cosine/cosine.hpp"
#include "kernels/dot/dot.hpp"
#include "kernels/l1/l1.hpp"
#include "kernels/l2/l2.hpp"

namespace edgeshard {
namespace {

// A tile made of single comparisons, for operations without a kernel of their own.
template <DistanceFn fn>
void tile_of_pairs(const void* queries, size_t stride_bytes, const void* row, size_t dim, float* sims) {
    for (size_t q = 0; q < kTile; ++q) sims[q] = fn(static_cast<const char*>(queries) + q * stride_bytes, row, dim);
}

template <DistanceFn fn>
constexpr DistanceKernels pairs() {
    return {fn, tile_of_pairs<fn>, kTile};
}

// One row per element type, in the order f32, f16, u8.
struct Operations {
    DistanceKernels dot[3], l2[3], l1[3], cosine_u8;
};

constexpr Operations kScalar = {
    {pairs<dot_f32_scalar>(), pairs<dot_f16_scalar>(), pairs<dot_u8_scalar>()},
    {pairs<l2_f32_scalar>(), pairs<l2_f16_scalar>(), pairs<l2_u8_scalar>()},
    {pairs<l1_f32_scalar>(), pairs<l1_f16_scalar>(), pairs<l1_u8_scalar>()},
    pairs<cosine_u8_scalar>(),
};

#define EDGESHARD_OPERATIONS(isa)                                                                          \
    {                                                                                                      \
        {{dot_f32_##isa, dot_tile_f32_##isa}, {dot_f16_##isa, dot_tile_f16_##isa}, pairs<dot_u8_##isa>()}, \
        {{l2_f32_##isa, l2_tile_f32_##isa}, {l2_f16_##isa, l2_tile_f16_##isa}, pairs<l2_u8_##isa>()},      \
        {{l1_f32_##isa, l1_tile_f32_##isa}, {l1_f16_##isa, l1_tile_f16_##isa}, pairs<l1_u8_##isa>()},      \
        pairs<cosine_u8_##isa>(),                                                                          \
    }

#if defined(__x86_64__)
constexpr Operations kAvx2 = EDGESHARD_OPERATIONS(avx2);
constexpr Operations kAvx512 = EDGESHARD_OPERATIONS(avx512);
#elif defined(__aarch64__)
constexpr Operations kNeon = EDGESHARD_OPERATIONS(neon);
constexpr Operations kDotprod = {
    {kNeon.dot[0], kNeon.dot[1], pairs<dot_u8_dotprod>()},
    {kNeon.l2[0], kNeon.l2[1], pairs<l2_u8_dotprod>()},
    {kNeon.l1[0], kNeon.l1[1], pairs<l1_u8_dotprod>()},
    pairs<cosine_u8_dotprod>(),
};
#endif

const Operations& operations(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::avx2: return kAvx2;
        case Isa::avx512: return kAvx512;
#elif defined(__aarch64__)
        case Isa::neon: return kNeon;
        case Isa::dotprod: return kDotprod;
#endif
        default: return kScalar;
    }
}

}  // namespace

DistanceKernels distance_kernels(Distance distance, ElementType type, Isa isa) {
    const Operations& ops = operations(isa);
    const int t = static_cast<int>(type);
    switch (distance) {
        case Distance::euclid: return ops.l2[t];
        case Distance::manhattan: return ops.l1[t];
        case Distance::cosine:
            if (type == ElementType::u8) return ops.cosine_u8;
            [[fallthrough]];
        default: return ops.dot[t];
    }
}

}  // namespace edgeshard
