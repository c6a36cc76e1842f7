// Product quantization (Jegou, Douze and Schmid 2011): a query becomes a table of its similarities with all centroids,
// a row's similarity is the sum of one entry per group.
#include <algorithm>
#include <cmath>
#include <utility>

#include "index/quantized/methods.hpp"
#include "support/interrupt.hpp"

namespace edgeshard::quantized {
namespace {

constexpr size_t kCentroids = 256;
constexpr size_t kAskEvery = 1024;  // rows between two looks whether to stop

class ProductCodec final : public Codec {
public:
    explicit ProductCodec(ProductOptions options)
        : Codec(options.dim, options.bounds.size() - 1), o_(std::move(options)), by_dimension_(o_.centroids.size()) {
        for (size_t j = 0; j < kCentroids; ++j)
            for (size_t d = 0; d < dim(); ++d) by_dimension_[d * kCentroids + j] = o_.centroids[j * dim() + d];
    }

    const ProductOptions& options() const { return o_; }

    void encode(const float* in, size_t rows, uint8_t* out) const override {
        const NearestFn nearest = kernels().nearest;
        for (size_t r = 0; r < rows; ++r, in += dim(), out += stride())
            for (size_t g = 0; g < stride(); ++g) {
                const size_t begin = o_.bounds[g];
                out[g] = nearest(in + begin, by_dimension_.data() + begin * kCentroids, o_.bounds[g + 1] - begin);
            }
    }

    bool decode(const uint8_t* in, size_t rows, float* out) const override {
        for (size_t r = 0; r < rows; ++r, in += stride(), out += dim())
            for (size_t g = 0; g < stride(); ++g) {
                const float* centroid = o_.centroids.data() + in[g] * dim();
                std::copy(centroid + o_.bounds[g], centroid + o_.bounds[g + 1], out + o_.bounds[g]);
            }
        return true;
    }

    // table[256 g + j] = similarity of the query's group g and centroid j.
    void table(const float* query, float* out) const {
        std::fill(out, out + stride() * kCentroids, 0.0f);
        for (size_t g = 0; g < stride(); ++g, out += kCentroids)
            for (size_t d = o_.bounds[g]; d < o_.bounds[g + 1]; ++d) add(query[d], &by_dimension_[d * kCentroids], out);
    }

    std::unique_ptr<CodeScorer> scorer(Isa isa) const override;
    double estimated_ns() const override { return 4 + 0.7 * static_cast<double>(stride()); }

private:
    void add(float x, const float* centroids, float* out) const {
        if (o_.distance == Distance::euclid)
            for (size_t j = 0; j < kCentroids; ++j) out[j] -= (x - centroids[j]) * (x - centroids[j]);
        else if (o_.distance == Distance::manhattan)
            for (size_t j = 0; j < kCentroids; ++j) out[j] -= std::fabs(x - centroids[j]);
        else
            for (size_t j = 0; j < kCentroids; ++j) out[j] += x * centroids[j];
    }

    ProductOptions o_;
    std::vector<float> by_dimension_;  // centroid j, component d at 256 d + j
};

class ProductScorer final : public CodeScorer {
public:
    ProductScorer(const ProductCodec& codec, Isa isa)
        : codec_(codec), kernels_(kernels(isa)), table_(codec.stride() * kCentroids), decoded_(codec.dim()) {}

    void use_query(const float* query) override { codec_.table(query, table_.data()); }

    void use_record(const uint8_t* record) override {
        codec_.decode(record, 1, decoded_.data());
        codec_.table(decoded_.data(), table_.data());
    }

    void score(RowPointers records, size_t n, float* sims) override {
        kernels_.table_sums(table_.data(), records, n, codec_.stride(), sims);
    }

private:
    const ProductCodec& codec_;
    Kernels kernels_;
    std::vector<float> table_, decoded_;
};

std::unique_ptr<CodeScorer> ProductCodec::scorer(Isa isa) const { return std::make_unique<ProductScorer>(*this, isa); }

}  // namespace

std::shared_ptr<const Codec> product_codec(ProductOptions options) {
    return std::make_shared<ProductCodec>(std::move(options));
}

void train_centroids(const float* rows, size_t n, size_t stride, size_t dim, unsigned iterations, uint64_t seed,
                     float* centroids) {
    const NearestFn nearest = kernels().nearest;
    std::vector<float> by_dimension(kCentroids * dim);
    std::vector<double> sums(kCentroids * dim);
    std::vector<size_t> counts(kCentroids);
    for (size_t j = 0; j < kCentroids; ++j)
        std::copy(rows + j % n * stride, rows + j % n * stride + dim, centroids + j * dim);
    for (unsigned round = 0; round < iterations; ++round) {
        for (size_t j = 0; j < kCentroids; ++j)
            for (size_t d = 0; d < dim; ++d) by_dimension[d * kCentroids + j] = centroids[j * dim + d];
        std::fill(sums.begin(), sums.end(), 0.0);
        std::fill(counts.begin(), counts.end(), size_t{0});
        for (size_t i = 0; i < n; ++i) {
            if (i % kAskEvery == 0) check_interrupt();
            const float* row = rows + i * stride;
            const size_t j = nearest(row, by_dimension.data(), dim);
            ++counts[j];
            for (size_t d = 0; d < dim; ++d) sums[j * dim + d] += row[d];
        }
        double moved = 0;
        for (size_t j = 0; j < kCentroids; ++j) {
            if (counts[j] == 0) seed = seed * 6364136223846793005u + 1442695040888963407u;
            const float* restart = rows + (seed >> 32) % n * stride;
            for (size_t d = 0; d < dim; ++d) {
                float& old = centroids[j * dim + d];
                const double count = static_cast<double>(counts[j]);
                const float fresh = counts[j] ? static_cast<float>(sums[j * dim + d] / count) : restart[d];
                moved += std::fabs(fresh - old);
                old = fresh;
            }
        }
        if (moved < 1e-5) break;
    }
}

}  // namespace edgeshard::quantized
