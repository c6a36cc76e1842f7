#include "index/hnsw/scorer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "index/hnsw/code_dot.hpp"
#include "index/hnsw/record_scorer.hpp"
#include "index/quantized/codec.hpp"
#include "index/quantized/walk_codes.hpp"
#include "kernels/half.hpp"
#include "kernels/prefetch.hpp"

namespace edgeshard {
namespace {

constexpr float kWorst = -std::numeric_limits<float>::infinity();

// Stored rows as they are.
class RowScorer final : public Scorer {
public:
    explicit RowScorer(const Space& space)
        : rows_(space.rows), pair_(distance_fn(space.distance, space.rows.type())) {}

    void use_point(uint32_t point) override { query_ = rows_.row(point); }
    void use_query(const char* query, size_t) override { query_ = query; }

    void score(const uint32_t* ids, size_t n, float* sims) override {
        constexpr size_t kAhead = 3;
        for (size_t i = 0; i < n && i < kAhead; ++i) whole_row(ids[i]);
        for (size_t i = 0; i < n; ++i) {
            if (i + kAhead < n) whole_row(ids[i + kAhead]);
            const float sim = pair_(query_, rows_.row(ids[i]), rows_.dim());
            sims[i] = sim == sim ? sim : kWorst;
        }
    }

    // Only the beginning: all rows of a list would not fit the first cache; score() asks for the rest in time.
    void prefetch(const uint32_t* ids, size_t n) const override {
        for (size_t i = 0; i < n; ++i) prefetch_row(rows_.row(ids[i]), rows_.row_bytes(), 256);
    }

private:
    void whole_row(uint32_t point) const { prefetch_row(rows_.row(point), rows_.row_bytes()); }

    const Rows& rows_;
    DistanceFn pair_;
    const char* query_ = nullptr;
};

void to_floats(const char* row, ElementType type, size_t dim, float* out) {
    if (type == ElementType::f32) {
        std::memcpy(out, row, dim * sizeof(float));
        return;
    }
    uint16_t half;
    for (size_t i = 0; i < dim; ++i) {
        std::memcpy(&half, row + 2 * i, 2);
        out[i] = half_to_float(half);
    }
}

// A query, or a row taken as one, against the byte codes of all rows. Every row has its own scale. Cosine and dot: the
// scaled integer dot product. Euclid: 2 <q, x> - |x|^2 - |q|^2, all of the coded vectors.
class CodeScorer final : public Scorer {
public:
    explicit CodeScorer(const Space& space)
        : codes_(*space.codes), type_(space.rows.type()), euclid_(space.distance == Distance::euclid),
          dots_(listed_dots_fn()), row_query_(row_query_fn()), floats_(code_stride(codes_.dim())), values_(floats_.size()) {}

    void use_point(uint32_t point) override {
        rows_ = codes_.rows();
        const int32_t sum = row_query_(rows_.codes + point * rows_.stride, rows_.stride, values_.data());
        const float norm = euclid_ ? rows_.norm[point] : 0;  // read only where it matters: a cache miss each
        begin(sum, rows_.scale[point], norm * norm);
    }

    void use_query(const char* query, size_t) override {
        rows_ = codes_.rows();
        to_floats(query, type_, codes_.dim(), floats_.data());
        // Padded with zeros to whole lanes; each lane has sums of its own, as one addition after the other would wait.
        constexpr float kMost = std::numeric_limits<float>::max();
        float most[kLanes] = {}, squares[kLanes] = {}, missing[kLanes] = {};
        int32_t sums[kLanes] = {};
        for (size_t i = 0; i < floats_.size(); i += kLanes)
            for (size_t j = 0; j < kLanes; ++j) {
                float& x = floats_[i + j];
                x = std::fabs(x) <= kMost ? x : 0;  // false for NaN, too
                most[j] = std::max(most[j], std::fabs(x));
                squares[j] += x * x;
            }
        const float largest = *std::max_element(most, most + kLanes);
        const float scale = largest > 1e-30f ? largest / 127 : 1, inverse = 1 / scale;
        for (size_t i = 0; i < floats_.size(); i += kLanes)
            for (size_t j = 0; j < kLanes; ++j) {
                const float x = std::min(std::max(floats_[i + j] * inverse, -127.f), 127.f);
                const auto value = static_cast<int32_t>(x + 128.5f) - 128;
                values_[i + j] = static_cast<int8_t>(value);
                sums[j] += value;
                const float miss = floats_[i + j] - scale * static_cast<float>(value);
                missing[j] += miss * miss;
            }
        missing_ = std::sqrt(std::accumulate(missing, missing + kLanes, 0.0f));
        begin(std::accumulate(sums, sums + kLanes, 0), scale, std::accumulate(squares, squares + kLanes, 0.0f));
    }

    void score(const uint32_t* ids, size_t n, float* sims) override {
        int32_t dots[kBatch];
        for (size_t at = 0; at < n; at += kBatch) {
            const size_t batch = std::min(kBatch, n - at);
            dots_(rows_.codes, rows_.stride, {values_.data(), sum_}, ids + at, batch, dots);
            for (size_t i = 0; i < batch; ++i)
                sims[at + i] = static_cast<float>(dots[i]) * (factor_ * rows_.scale[ids[at + i]]);
            if (!euclid_) continue;
            for (size_t i = 0; i < batch; ++i) {
                const float norm = rows_.norm[ids[at + i]];
                sims[at + i] = 2 * sims[at + i] - norm * norm - squares_;
            }
        }
    }

    // Rounding errors of the components are independent of the other vector: their sum grows with the root of their
    // number, where the bound of exact search has to assume that all point the same way.
    float deviation(uint32_t point) const override {
        const float sum = rows_.error[point] * std::sqrt(squares_) + rows_.norm[point] * missing_;
        return (euclid_ ? 2.f : 1.f) * sum / std::sqrt(static_cast<float>(codes_.dim()));
    }

    // Rows begin on a cache line or in the middle of one; scales lie elsewhere.
    void prefetch(const uint32_t* ids, size_t n) const override {
        const size_t bytes = std::min<size_t>(rows_.stride, 1024);
        for (size_t i = 0; i < n; ++i) {
            const uint8_t* row = rows_.codes + ids[i] * rows_.stride;
            __builtin_prefetch(rows_.scale + ids[i], 0, 3);
            for (size_t at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(row + at, 0, 3);
            if (bytes % kCacheLine) __builtin_prefetch(row + bytes - 1, 0, 3);
        }
    }

private:
    static constexpr size_t kBatch = 64, kLanes = 16;
    static_assert(kCodePadding % kLanes == 0);

    void begin(int32_t sum, float scale, float squares) {
        sum_ = sum;
        factor_ = scale;
        squares_ = squares;
    }

    const Codes8& codes_;
    CodeRows rows_{};
    const ElementType type_;
    const bool euclid_;
    const ListedDotsFn dots_;
    const RowQueryFn row_query_;
    std::vector<float> floats_;
    std::vector<int8_t> values_;
    int32_t sum_ = 0;
    float factor_ = 1, squares_ = 0, missing_ = 0;
};

// MaxSim over the rows of each point: the sum over the query's rows of the best similarity with any of the point's.
class MultiScorer final : public Scorer {
public:
    MultiScorer(const Space& space, bool on_codes) : space_(space), on_codes_(on_codes) {}

    void use_point(uint32_t point) override {
        resize(space_.table.count[point]);
        for (size_t i = 0; i < used_; ++i) inner_[i]->use_point(space_.table.first[point] + static_cast<uint32_t>(i));
    }

    void use_query(const char* query, size_t rows) override {
        resize(rows);
        for (size_t i = 0; i < rows; ++i) inner_[i]->use_query(query + i * space_.query_bytes(), 1);
    }

    void score(const uint32_t* ids, size_t n, float* sims) override {
        for (size_t i = 0; i < n; ++i) {
            if (i + 1 < n) prefetch(ids + i + 1, 1);
            sims[i] = one(ids[i]);
        }
    }

    void prefetch(const uint32_t* ids, size_t n) const override {
        for (size_t i = 0; i < n; ++i)
            if (space_.table.count[ids[i]] && used_) inner_[0]->prefetch(space_.table.first + ids[i], 1);
    }

private:
    void resize(size_t rows) {
        while (inner_.size() < rows) inner_.push_back(make());
        used_ = rows;
    }

    std::unique_ptr<Scorer> make() const;

    float one(uint32_t point) {
        const size_t count = space_.table.count[point];
        if (!count) return kWorst;
        ids_.resize(count);
        sims_.resize(count);
        for (size_t i = 0; i < count; ++i) ids_[i] = space_.table.first[point] + static_cast<uint32_t>(i);
        float total = 0;
        for (size_t q = 0; q < used_; ++q) {
            inner_[q]->score(ids_.data(), count, sims_.data());
            float best = kWorst;
            for (float sim : sims_) best = sim > best ? sim : best;
            total += best;
        }
        return total == total ? total : kWorst;
    }

    const Space& space_;
    const bool on_codes_;
    std::vector<std::unique_ptr<Scorer>> inner_;
    size_t used_ = 0;
    std::vector<uint32_t> ids_;
    std::vector<float> sims_;
};

std::unique_ptr<Scorer> row_scorer(const Space& space, bool on_codes) {
    if (space.walk_codes && on_codes) return walk_scorer(space);
    if (space.records && (on_codes || space.only_records())) return record_scorer(space);
    if (on_codes) return std::make_unique<CodeScorer>(space);
    return std::make_unique<RowScorer>(space);
}

std::unique_ptr<Scorer> MultiScorer::make() const { return row_scorer(space_, on_codes_); }

}  // namespace

size_t Space::query_dim() const { return only_records() ? records->dim() : rows.dim(); }

std::unique_ptr<Scorer> Space::refiner() const {
    return walk_codes && !walk_codes->form().same ? record_scorer(*this) : nullptr;
}

std::unique_ptr<Scorer> Space::scorer(bool on_codes) const {
    if (multi()) return std::make_unique<MultiScorer>(*this, on_codes);
    return row_scorer(*this, on_codes);
}

}  // namespace edgeshard
