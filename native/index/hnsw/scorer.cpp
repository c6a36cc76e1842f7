#include "index/hnsw/scorer.hpp"

#include <cmath>
#include <cstring>
#include <limits>

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
        for (size_t i = 0; i < n && i < kAhead; ++i) prefetch(ids[i]);
        for (size_t i = 0; i < n; ++i) {
            if (i + kAhead < n) prefetch(ids[i + kAhead]);
            const float sim = pair_(query_, rows_.row(ids[i]), rows_.dim());
            sims[i] = sim == sim ? sim : kWorst;
        }
    }

    void prefetch(uint32_t point) const override { prefetch_row(rows_.row(point), rows_.row_bytes()); }

private:
    const Rows& rows_;
    DistanceFn pair_;
    const char* query_ = nullptr;
};

// int8 codes. Cosine and dot: the scaled integer dot product. Euclid: 2 <q, x> - |x|^2 - |q|^2 with the norms of the
// originals.
class CodeScorer final : public Scorer {
public:
    explicit CodeScorer(const Space& space)
        : codes_(*space.codes), type_(space.rows.type()), euclid_(space.distance == Distance::euclid),
          cosine_bytes_(space.distance == Distance::cosine && type_ == ElementType::u8), dot_(code_dot_fn()),
          floats_(codes_.dim()), values_(codes_.stride()) {}

    void use_point(uint32_t point) override {
        const uint8_t* row = codes_.row(point);
        int32_t sum = 0;
        for (size_t i = 0; i < values_.size(); ++i) {
            values_[i] = static_cast<int8_t>(row[i] ^ 0x80);
            sum += values_[i];
        }
        begin(sum, codes_.scale(), codes_.squared_norm(point));
    }

    void use_query(const char* query, size_t) override {
        to_floats(query, type_, codes_.dim(), floats_.data());
        int32_t sum;
        const float scale = encode_query(floats_.data(), codes_.dim(), codes_.stride(), values_.data(), &sum);
        float norm = 0;
        for (float x : floats_) norm += x * x;
        begin(sum, scale, norm);
    }

    void score(const uint32_t* ids, size_t n, float* sims) override {
        int32_t dots[kBatch];
        for (size_t at = 0; at < n; at += kBatch) {
            const size_t batch = std::min(kBatch, n - at);
            dot_(codes_.data(), codes_.stride(), {values_.data(), sum_}, ids + at, batch, dots);
            for (size_t i = 0; i < batch; ++i) sims[at + i] = factor_ * static_cast<float>(dots[i]);
            if (euclid_)
                for (size_t i = 0; i < batch; ++i) sims[at + i] -= codes_.squared_norm(ids[at + i]) + norm_;
            if (cosine_bytes_)
                for (size_t i = 0; i < batch; ++i) sims[at + i] *= inverse_norm(codes_.squared_norm(ids[at + i]));
        }
    }

    void prefetch(uint32_t point) const override { prefetch_row(codes_.row(point), codes_.stride(), 1024); }

private:
    static constexpr size_t kBatch = 64;

    static float inverse_norm(float squared) { return squared > 0 ? 1 / std::sqrt(squared) : 0; }

    void begin(int32_t sum, float scale, float norm) {
        sum_ = sum;
        norm_ = norm;
        factor_ = scale * codes_.scale() * (euclid_ ? 2 : 1);
        if (cosine_bytes_) factor_ *= inverse_norm(norm);
    }

    const Int8Codes& codes_;
    const ElementType type_;
    const bool euclid_, cosine_bytes_;
    const CodeDotFn dot_;
    std::vector<float> floats_;
    std::vector<int8_t> values_;
    int32_t sum_ = 0;
    float norm_ = 0, factor_ = 1;
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
        for (size_t i = 0; i < rows; ++i) inner_[i]->use_query(query + i * space_.rows.row_bytes(), 1);
    }

    void score(const uint32_t* ids, size_t n, float* sims) override {
        for (size_t i = 0; i < n; ++i) {
            if (i + 1 < n) prefetch(ids[i + 1]);
            sims[i] = one(ids[i]);
        }
    }

    void prefetch(uint32_t point) const override {
        if (space_.table.count[point] && used_) inner_[0]->prefetch(space_.table.first[point]);
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
    if (on_codes) return std::make_unique<CodeScorer>(space);
    return std::make_unique<RowScorer>(space);
}

std::unique_ptr<Scorer> MultiScorer::make() const { return row_scorer(space_, on_codes_); }

}  // namespace

std::unique_ptr<Scorer> Space::scorer(bool on_codes) const {
    if (multi()) return std::make_unique<MultiScorer>(*this, on_codes);
    return row_scorer(*this, on_codes);
}

}  // namespace edgeshard
