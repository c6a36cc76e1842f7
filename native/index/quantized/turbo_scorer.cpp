// Queries against TurboQuant records.
//
// Dot product with a record, in rotated space: f * (sum of q_i / scale_i * level_i - sum of q_i * shift_i), f the record's
// first extra. The numbers q_i / scale_i become whole numbers up to 8191, the levels bytes around 128, and the sum is
// exact in integers: 16 levels as bytes are wrong by 0.3 % of their spread, 4 levels by 0.01 %.
// Manhattan distance is not kept by the rotation: records are decoded.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "index/quantized/turbo.hpp"

namespace edgeshard::quantized {
namespace {

struct ByteLevels {
    double unit;        // level = (byte - 128) / unit
    uint8_t bytes[16];
};

// Units chosen for the least error of the rounded levels.
ByteLevels byte_levels(unsigned bits) {
    ByteLevels result{bits == 8 ? 1.0 : bits == 4 ? 38.26 : bits == 2 ? 72.855 : 64 / 0.7978846, {}};
    for (unsigned i = 0; bits < 8 && i < 1u << bits; ++i)
        result.bytes[i] = static_cast<uint8_t>(128 + std::lround(turbo_levels(bits)[i] * result.unit));
    return result;
}

// Mean square error of a component of unit variance: Lloyd-Max levels, or steps of a range of some four deviations.
double distortion(unsigned bits) { return bits == 1 ? 0.3634 : bits == 2 ? 0.1175 : bits == 4 ? 0.0095 : 1e-4; }

// What scores need of a rotated query.
struct Scaled {
    double square = 0;   // of the rotated query
    double offset = 0;   // its product with the shifts
    double largest = 0;  // magnitude once divided by the scales
};

// Divides a rotated query by the scales, in place. Each lane has sums of its own: one after the other, each addition would
// wait for the one before, 400 times.
Scaled divide_by_scales(double* x, const TurboOptions& options) {
    constexpr size_t kLanes = 8;
    const size_t n = options.padded, whole = n / kLanes * kLanes;
    double squares[kLanes] = {}, offsets[kLanes] = {}, most[kLanes] = {};
    const auto in_lanes = [&](auto&& each) {
        for (size_t i = 0; i < whole; i += kLanes)
            for (size_t j = 0; j < kLanes; ++j) each(i + j, j);
        for (size_t i = whole; i < n; ++i) each(i, i - whole);
    };
    const bool scaled = !options.scale.empty();
    if (scaled) {
        const auto *shift = options.shift.data(), *scale = options.scale.data();
        in_lanes([&](size_t i, size_t j) {
            squares[j] += x[i] * x[i];
            offsets[j] += x[i] * shift[i];
            x[i] /= scale[i];
            most[j] = std::max(most[j], std::fabs(x[i]));
        });
    } else {
        in_lanes([&](size_t i, size_t j) {
            squares[j] += x[i] * x[i];
            most[j] = std::max(most[j], std::fabs(x[i]));
        });
    }
    Scaled result;
    for (size_t j = 0; j < kLanes; ++j) {
        result.square += squares[j];
        result.offset += offsets[j];
        result.largest = std::max(result.largest, most[j]);
    }
    return result;
}

class TurboScorer final : public CodeScorer {
public:
    TurboScorer(const TurboCodec& codec, Isa isa)
        : codec_(codec), options_(codec.options()), kernels_(kernels(isa)),
          lane_kernels_(lane_kernels(isa)), rotated_(options_.padded), scratch_(options_.padded) {
        if (options_.bits == 16) {
            words_.resize(options_.padded);
            return;
        }
        levels_ = byte_levels(options_.bits);
        query_.bits = options_.bits;
        query_.bytes = codec.code_bytes();
        query_.plane = (query_.bytes + kPlanePadding - 1) / kPlanePadding * kPlanePadding;
        const size_t entries = query_.plane * (8 / options_.bits);
        whole_.resize(entries);
        high_.resize(entries);
        low_.resize(entries);
        query_.levels = levels_.bytes;
        query_.whole = whole_.data();
        query_.high = high_.data();
        query_.low = low_.data();
    }

    void use_query(const float* query) override {
        if (manhattan()) {
            original_.assign(query, query + codec_.dim());
            return;
        }
        codec_.rotated(query, rotated_.data(), scratch_.data());
        prepare();
    }

    void use_record(const uint8_t* record) override {
        if (manhattan()) {
            original_.resize(codec_.dim());
            codec_.decode(record, 1, original_.data());
            return;
        }
        codec_.values(record, rotated_.data());
        prepare();
    }

    void score(RowPointers records, size_t n, float* sims) override {
        if (manhattan()) return score_decoded(records, n, sims);
        for (size_t at = 0; at < n; at += kScoreBlock) {
            const size_t m = std::min(kScoreBlock, n - at);
            double dots[kScoreBlock];
            raw_dots(records + at, m, dots);
            finish(records + at, m, dots, sims + at);
        }
    }

private:
    bool manhattan() const { return options_.distance == Distance::manhattan; }

    // From rotated_ to whole numbers and the constants of the query.
    void prepare() {
        const size_t n = options_.padded;
        const Scaled scaled = divide_by_scales(rotated_.data(), options_);
        square_ = scaled.square;
        offset_ = scaled.offset;
        if (options_.bits == 16) {
            for (size_t i = 0; i < n; ++i) words_[i] = static_cast<float>(rotated_[i]);
            return;
        }
        const double by = scaled.largest > 0 && std::isfinite(scaled.largest) ? kPlaneLimit / scaled.largest : 0;
        const size_t planes = 8 / options_.bits;
        int64_t sum = 0;
        for (size_t p = 0; p < planes; ++p)
            for (size_t i = p, at = p * query_.plane; i < n; i += planes, ++at) {
                const auto whole = static_cast<int16_t>(by > 0 ? std::lrint(rotated_[i] * by) : 0);
                whole_[at] = whole;
                high_[at] = static_cast<int8_t>(whole >> 7);
                low_[at] = static_cast<int8_t>(whole & 127);
                sum += whole;
            }
        bias_ = 128 * sum;
        unit_ = by > 0 ? 1 / (by * levels_.unit) : 0;
    }

    // Dot products with the records' values before their factor.
    void raw_dots(RowPointers records, size_t n, double* dots) {
        if (options_.bits == 16) {
            float sums[kScoreBlock];
            kernels_.word_dots(words_.data(), records, n, options_.padded, sums);
            for (size_t i = 0; i < n; ++i) dots[i] = sums[i];
            return;
        }
        int64_t sums[kScoreBlock];
        kernels_.plane_dots(query_, records, n, sums);
        for (size_t i = 0; i < n; ++i) dots[i] = static_cast<double>(sums[i] - bias_) * unit_ - offset_;
    }

    void finish(RowPointers records, size_t n, const double* dots, float* sims) const {
        const bool euclid = options_.distance == Distance::euclid;
        for (size_t i = 0; i < n; ++i) {
            const uint8_t* extra = records[i] + codec_.code_bytes();
            const double dot = dots[i] * load_float(extra);
            if (!euclid) {
                sims[i] = static_cast<float>(dot);
                continue;
            }
            const double length = load_float(extra + 4);
            sims[i] = static_cast<float>(2 * dot - square_ - length * length);
        }
    }

    void score_decoded(RowPointers records, size_t n, float* sims) {
        const size_t padded = options_.padded;
        lanes_.resize(2 * padded);
        for (size_t at = 0; at < n; at += kLanes) {
            const size_t m = std::min(kLanes, n - at);
            const uint8_t* some[kLanes];
            double factors[kLanes];  // all 1 for Manhattan
            float sums[kLanes];
            for (size_t l = 0; l < kLanes; ++l) some[l] = records[at + std::min(l, m - 1)];
            codec_.decode_lanes(lane_kernels_, some, lanes_.data(), lanes_.data() + padded, factors);
            lane_kernels_.distances(original_.data(), lanes_.data() + padded, codec_.dim(), sums);
            for (size_t l = 0; l < m; ++l) sims[at + l] = -sums[l];
        }
    }

    const TurboCodec& codec_;
    const TurboOptions& options_;
    Kernels kernels_;
    LaneKernels lane_kernels_;
    ByteLevels levels_{};
    PlaneQuery query_{};
    std::vector<int16_t> whole_;
    std::vector<int8_t> high_, low_;
    std::vector<double> rotated_, scratch_;
    std::vector<LaneNumbers> lanes_;  // Manhattan only
    std::vector<float> words_, original_;
    double square_ = 0, offset_ = 0, unit_ = 0;
    int64_t bias_ = 0;
};

}  // namespace

std::optional<WalkForm> TurboCodec::walk_form() const {
    if (options_.bits == 16 || options_.distance == Distance::manhattan) return std::nullopt;
    WalkForm form{options_.bits, 0, code_bytes_, {}};
    std::copy_n(byte_levels(options_.bits).bytes, 16, form.levels);
    return form;
}

void TurboCodec::walk_terms(const uint8_t* record, float* terms) const {
    terms[0] = load_float(record + code_bytes_);
    terms[1] = 0;
    if (options_.distance != Distance::euclid) return;
    const float length = load_float(record + length_at());
    terms[0] *= 2;
    terms[1] = -length * length;
}

void TurboCodec::walk_query(const float* query, WalkQuery& out) const {
    const size_t n = options_.padded;
    out.rotated.resize(n);
    out.scratch.resize(n);
    out.numbers.resize(n);
    double* x = out.rotated.data();
    rotated(query, x, out.scratch.data());
    const auto [square, offset, largest] = divide_by_scales(x, options_);
    const double by = largest > 0 && std::isfinite(largest) ? 127 / largest : 0;
    int32_t sum = 0;
    for (size_t i = 0; i < n; ++i) {
        const auto number = static_cast<int32_t>(x[i] * by + 128.5) - 128;  // rounded down: all are positive here
        out.numbers[i] = static_cast<int8_t>(number);
        sum += number;
    }
    out.bias = 128 * sum;
    out.unit = static_cast<float>(by > 0 ? 1 / (by * byte_levels(options_.bits).unit) : 0);
    out.offset = static_cast<float>(-offset);
    out.deviation = static_cast<float>(std::sqrt(square * distortion(options_.bits)));
    out.constant = options_.distance == Distance::euclid ? static_cast<float>(-square) : 0.0f;
}

std::unique_ptr<CodeScorer> TurboCodec::scorer(Isa isa) const { return std::make_unique<TurboScorer>(*this, isa); }

}  // namespace edgeshard::quantized
