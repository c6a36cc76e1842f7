// Scalar quantization.
//
//   c = codes of the row, q = codes of the query, s = -1 for distances
//   Dot    constant = alpha offset sum(c) + n offset^2    score = alpha^2 sum(q c) + alpha offset sum(q) + constant
//   Euclid constant = s alpha^2 sum(c^2)                  score = -2 s alpha^2 sum(q c) + s alpha^2 sum(q^2) + constant
//   L1     constant = -0                                  score = s alpha sum|q - c|
#include <algorithm>
#include <cmath>
#include <numeric>

#include "index/quantized/methods.hpp"

namespace edgeshard::quantized {
namespace {

constexpr size_t kHead = 4;  // bytes of the constant

size_t padded_dim(size_t dim) { return (dim + 15) / 16 * 16; }

// Sum of a function of bytes, at most 255 squared; 32 bits for blocks of them, which compilers do several at a time.
template <class Of>
int64_t total(const uint8_t* bytes, size_t n, Of of) {
    constexpr size_t kBlock = 65536;
    int64_t sum = 0;
    for (size_t at = 0; at < n; at += kBlock) {
        uint32_t part = 0;
        for (size_t i = at; i < std::min(n, at + kBlock); ++i) part += of(bytes[i]);
        sum += part;
    }
    return sum;
}

class ScalarCodec final : public Codec {
public:
    explicit ScalarCodec(const ScalarOptions& options)
        : Codec(options.dim, kHead + padded_dim(options.dim)), o_(options) {}

    bool dot() const { return o_.distance == Distance::dot || o_.distance == Distance::cosine; }
    const ScalarOptions& options() const { return o_; }

    // Halves are rounded up; the part behind the point is exact, so this is std::round, which compilers call a library for.
    uint8_t code(float x) const {
        float scaled = (x - o_.offset) / o_.alpha;
        scaled = scaled > 0 ? std::min(scaled, 127.0f) : 0.0f;  // also for NaN
        const auto whole = static_cast<int32_t>(scaled);
        return static_cast<uint8_t>(whole + (scaled - static_cast<float>(whole) >= 0.5f));
    }

    void codes(const float* row, uint8_t* out) const {
        for (size_t i = 0; i < dim(); ++i) out[i] = code(row[i]);
        std::fill(out + dim(), out + stride() - kHead, dot() ? code(0) : uint8_t{0});
    }

    // The constant of codes without the part that is the same for all rows.
    float constant(const uint8_t* codes) const {
        const size_t n = stride() - kHead;
        if (dot()) return static_cast<float>(total(codes, n, [](uint32_t c) { return c; })) * o_.alpha * o_.offset;
        if (o_.distance == Distance::manhattan) return -0.0f;
        return -(static_cast<float>(total(codes, n, [](uint32_t c) { return c * c; })) * o_.alpha * o_.alpha);
    }

    float shift() const {
        return dot() ? static_cast<float>(stride() - kHead) * o_.offset * o_.offset : -0.0f;
    }

    void encode(const float* in, size_t rows, uint8_t* out) const override {
        for (size_t r = 0; r < rows; ++r, in += dim(), out += stride()) {
            codes(in, out + kHead);
            store_float(out, shift() + constant(out + kHead));
        }
    }

    bool decode(const uint8_t* in, size_t rows, float* out) const override {
        for (size_t r = 0; r < rows; ++r, in += stride(), out += dim())
            for (size_t i = 0; i < dim(); ++i) out[i] = static_cast<float>(in[kHead + i]) * o_.alpha + o_.offset;
        return true;
    }

    std::unique_ptr<CodeScorer> scorer(Isa isa) const override;
    double estimated_ns() const override { return 4 + static_cast<double>(stride()) / 16; }

    std::optional<WalkForm> walk_form() const override {
        if (o_.distance == Distance::manhattan) return std::nullopt;
        return WalkForm{8, kHead, stride() - kHead, {}, true};
    }

    void walk_terms(const uint8_t* record, float* terms) const override {
        terms[0] = 1;
        terms[1] = load_float(record);
    }

    void walk_query(const float* query, WalkQuery& out) const override {
        out.numbers.resize(stride() - kHead);
        auto* rounded = reinterpret_cast<uint8_t*>(out.numbers.data());
        codes(query, rounded);
        out.unit = o_.multiplier;
        constexpr size_t kLanes = 8;
        float squares[kLanes] = {};  // sums of their own, as one addition after the other would wait
        for (size_t i = 0; i + kLanes <= dim(); i += kLanes)
            for (size_t j = 0; j < kLanes; ++j) squares[j] += query[i + j] * query[i + j];
        for (size_t i = dim() / kLanes * kLanes; i < dim(); ++i) squares[0] += query[i] * query[i];
        const double square = std::accumulate(squares, squares + kLanes, 0.0);
        // Half a step of rounding each, and some more for what lies outside the range.
        const double each = (dot() ? 0.5 : 1.0) * o_.alpha;
        out.deviation = static_cast<float>(each * std::sqrt(square));
        out.constant = constant(rounded);
    }

private:
    ScalarOptions o_;
};

class ScalarScorer final : public CodeScorer {
public:
    ScalarScorer(const ScalarCodec& codec, Isa isa)
        : codec_(codec), kernels_(kernels(isa)), query_(codec.stride() - kHead) {}

    void use_query(const float* query) override {
        codec_.codes(query, query_.data());
        constant_ = codec_.constant(query_.data());
    }

    void use_record(const uint8_t* record) override {
        for (size_t i = 0; i < query_.size(); ++i) query_[i] = std::min<uint8_t>(record[kHead + i], 127);
        constant_ = codec_.constant(query_.data());
    }

    void score(RowPointers records, size_t n, float* sims) override {
        const bool l1 = codec_.options().distance == Distance::manhattan;
        const float multiplier = codec_.options().multiplier;
        const uint8_t* codes[kScoreBlock];
        int32_t sums[kScoreBlock];
        for (size_t at = 0; at < n; at += kScoreBlock) {
            const size_t m = std::min(kScoreBlock, n - at);
            for (size_t i = 0; i < m; ++i) codes[i] = records[at + i] + kHead;
            (l1 ? kernels_.byte_distances : kernels_.byte_dots)(query_.data(), codes, m, query_.size(), sums);
            for (size_t i = 0; i < m; ++i)
                sims[at + i] = multiplier * static_cast<float>(sums[i]) + constant_ + load_float(records[at + i]);
        }
    }

private:
    const ScalarCodec& codec_;
    Kernels kernels_;
    std::vector<uint8_t> query_;
    float constant_ = 0;
};

std::unique_ptr<CodeScorer> ScalarCodec::scorer(Isa isa) const { return std::make_unique<ScalarScorer>(*this, isa); }

}  // namespace

std::shared_ptr<const Codec> scalar_codec(ScalarOptions options) { return std::make_shared<ScalarCodec>(options); }

}  // namespace edgeshard::quantized
