// Scalar, product and binary quantization (docs/format/quantization.md). Parameters come from files: the callers check
// sizes and that numbers are finite.
#pragma once
#include <vector>

#include "index/quantized/codec.hpp"
#include "kernels/distance.hpp"

namespace edgeshard::quantized {

// One byte per component: round((x - offset) / alpha) in 0 .. 127; before them an f32 constant of the row.
struct ScalarOptions {
    size_t dim;
    Distance distance;
    float alpha, offset, multiplier;
};

// One byte per group of components: the number of the nearest of 256 centroids.
struct ProductOptions {
    size_t dim;
    Distance distance;
    std::vector<size_t> bounds;    // group g has the components bounds[g] .. bounds[g + 1] - 1; from 0 to dim
    std::vector<float> centroids;  // 256 x dim
};

enum class BinaryEncoding : int { one_bit = 0, two_bits = 1, one_and_half_bits = 2 };

// One plane of bits for all components, with more than one bit a second plane.
struct BinaryOptions {
    size_t dim;
    BinaryEncoding encoding;
    unsigned query_bits;       // 1 (like the rows), 4 or 8
    size_t stride;             // at least the bits
    std::vector<float> mean, deviation;  // dim each, except for one_bit
};

std::shared_ptr<const Codec> scalar_codec(ScalarOptions options);
std::shared_ptr<const Codec> product_codec(ProductOptions options);
std::shared_ptr<const Codec> binary_codec(BinaryOptions options);

// Bits of a row.
size_t binary_bits(size_t dim, BinaryEncoding encoding);

// Lloyd's algorithm (k-means) for 256 centroids of `dim` components, started from the first 256 of `n` rows that are
// `stride` floats apart. Empty clusters restart at a row chosen by `seed`. Centroids: 256 x dim.
void train_centroids(const float* rows, size_t n, size_t stride, size_t dim, unsigned iterations, uint64_t seed,
                     float* centroids);

}  // namespace edgeshard::quantized
