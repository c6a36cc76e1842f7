// Binary quantization: signs of components, or three zones around the mean with two bits or one and a half.
//
// score = dim - 2 * (number of differing bits) for every distance; with a query of 4 or 8 bits a bit differs by the share
// of the query's level on the other side.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "index/quantized/methods.hpp"

namespace edgeshard::quantized {
namespace {

void set_bit(uint8_t* bits, size_t i) { bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | 1u << (i % 8)); }

class BinaryCodec final : public Codec {
public:
    explicit BinaryCodec(BinaryOptions options) : Codec(options.dim, options.stride), o_(std::move(options)) {}

    const BinaryOptions& options() const { return o_; }

    void encode(const float* in, size_t rows, uint8_t* out) const override {
        for (size_t r = 0; r < rows; ++r, in += dim(), out += stride()) {
            std::memset(out, 0, stride());
            for (size_t i = 0; i < dim(); ++i) {
                const Bits bits = bits_of(in[i], i);
                if (bits.first) set_bit(out, i);
                if (bits.second) set_bit(out, second_plane(i));
            }
        }
    }

    bool decode(const uint8_t*, size_t, float*) const override { return false; }

    // The query's levels bit by bit: plane p has bit p of every level, `stride` bytes per plane.
    void planes(const float* query, uint8_t* out) const {
        const size_t bits = binary_bits(dim(), o_.encoding);
        const float most = static_cast<float>((1u << o_.query_bits) - 1);
        float top = 0;
        for (size_t i = 0; i < dim(); ++i) top = std::max(top, std::fabs(query[i]));
        const float step = 2 * top / most;
        std::memset(out, 0, stride() * o_.query_bits);
        for (size_t i = 0; i < bits; ++i) {
            const float scaled = std::round((stretched(query, i) + top) / step);
            const auto level = static_cast<unsigned>(scaled > 0 ? std::min(scaled, most) : 0.0f);  // also for NaN
            for (unsigned p = 0; p < o_.query_bits; ++p)
                if (level >> p & 1) set_bit(out + p * stride(), i);
        }
    }

    std::unique_ptr<CodeScorer> scorer(Isa isa) const override;
    double estimated_ns() const override { return 4 + 0.15 * o_.query_bits * static_cast<double>(stride()); }

    // Queries of more bits are compared with the records as they are.
    std::optional<WalkForm> walk_form() const override {
        if (o_.query_bits != 1) return std::nullopt;
        return WalkForm{0, 0, stride(), {}, true};
    }

    void walk_terms(const uint8_t*, float* terms) const override {
        terms[0] = 1;
        terms[1] = 0;
    }

    void walk_query(const float* query, WalkQuery& out) const override {
        out.bits.resize(stride());
        encode(query, 1, out.bits.data());
        out.unit = -2;
        out.constant = static_cast<float>(dim());
    }

private:
    struct Bits {
        bool first, second;
    };

    Bits bits_of(float x, size_t i) const {
        if (o_.encoding == BinaryEncoding::one_bit) return {x > 0, false};
        const float deviation = o_.deviation[i];
        if (deviation < std::numeric_limits<float>::epsilon()) return {x > 0, false};
        const float z = (x - o_.mean[i]) / deviation;
        return {z > -2.0f / 3.0f, z >= 2.0f / 3.0f};
    }

    size_t second_plane(size_t i) const {
        return dim() + (o_.encoding == BinaryEncoding::two_bits ? i : i / 2);
    }

    // The component of the query that meets bit i.
    float stretched(const float* query, size_t i) const {
        if (i < dim()) return query[i];
        i -= dim();
        if (o_.encoding == BinaryEncoding::two_bits) return query[i];
        return 2 * i + 1 < dim() ? std::max(query[2 * i], query[2 * i + 1]) : query[2 * i];
    }

    BinaryOptions o_;
};

class BinaryScorer final : public CodeScorer {
public:
    BinaryScorer(const BinaryCodec& codec, Isa isa)
        : codec_(codec), kernels_(kernels(isa)), planes_(codec.stride() * codec.options().query_bits) {}

    void use_query(const float* query) override {
        count_ = codec_.options().query_bits;
        if (count_ == 1)
            codec_.encode(query, 1, planes_.data());
        else
            codec_.planes(query, planes_.data());
    }

    void use_record(const uint8_t* record) override {
        count_ = 1;
        std::memcpy(planes_.data(), record, codec_.stride());
    }

    void score(RowPointers records, size_t n, float* sims) override {
        const float dim = static_cast<float>(codec_.dim()), most = static_cast<float>((1u << count_) - 1);
        int64_t sums[kScoreBlock];
        for (size_t at = 0; at < n; at += kScoreBlock) {
            const size_t m = std::min(kScoreBlock, n - at);
            kernels_.bit_distances(planes_.data(), count_, records + at, m, codec_.stride(), sums);
            for (size_t i = 0; i < m; ++i) {
                const float differing = static_cast<float>(sums[i]) / most;
                sims[at + i] = dim - differing - differing;
            }
        }
    }

private:
    const BinaryCodec& codec_;
    Kernels kernels_;
    std::vector<uint8_t> planes_;
    unsigned count_ = 1;
};

std::unique_ptr<CodeScorer> BinaryCodec::scorer(Isa isa) const { return std::make_unique<BinaryScorer>(*this, isa); }

}  // namespace

size_t binary_bits(size_t dim, BinaryEncoding encoding) {
    if (encoding == BinaryEncoding::two_bits) return 2 * dim;
    return encoding == BinaryEncoding::one_and_half_bits ? (3 * dim + 1) / 2 : dim;
}

std::shared_ptr<const Codec> binary_codec(BinaryOptions options) {
    return std::make_shared<BinaryCodec>(std::move(options));
}

}  // namespace edgeshard::quantized
