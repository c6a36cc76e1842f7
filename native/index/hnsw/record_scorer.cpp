#include "index/hnsw/record_scorer.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

#include "index/quantized/codec.hpp"
#include "index/quantized/walk_codes.hpp"
#include "kernels/half.hpp"
#include "kernels/prefetch.hpp"

namespace edgeshard {
namespace {

// A query of the space as floats.
class FloatQuery {
public:
    explicit FloatQuery(const Space& space) : type_(space.query_type()), floats_(space.records->dim()) {}

    const float* of(const char* query) {
        if (type_ == ElementType::f32) return reinterpret_cast<const float*>(query);
        for (size_t i = 0; i < floats_.size(); ++i)
            floats_[i] = type_ == ElementType::f16 ? half_to_float(reinterpret_cast<const uint16_t*>(query)[i])
                                                   : static_cast<float>(reinterpret_cast<const uint8_t*>(query)[i]);
        return floats_.data();
    }

private:
    const ElementType type_;
    std::vector<float> floats_;
};

void no_nan(float* sims, size_t n) {
    for (size_t i = 0; i < n; ++i)
        if (sims[i] != sims[i]) sims[i] = -std::numeric_limits<float>::infinity();
}

class RecordScorer final : public Scorer {
public:
    explicit RecordScorer(const Space& space)
        : rows_(space.record_rows ? *space.record_rows : space.rows), scorer_(space.records->scorer()), floats_(space) {}

    void use_point(uint32_t point) override { scorer_->use_record(record(point)); }
    void use_query(const char* query, size_t) override { scorer_->use_query(floats_.of(query)); }

    void score(const uint32_t* ids, size_t n, float* sims) override {
        const uint8_t* records[quantized::kScoreBlock];
        for (size_t at = 0; at < n; at += quantized::kScoreBlock) {
            const size_t m = std::min(quantized::kScoreBlock, n - at);
            for (size_t i = 0; i < m; ++i) records[i] = record(ids[at + i]);
            scorer_->score(records, m, sims + at);
        }
        no_nan(sims, n);
    }

    void prefetch(uint32_t point) const override { prefetch_row(record(point), rows_.row_bytes(), 1024); }

private:
    const uint8_t* record(uint32_t point) const { return reinterpret_cast<const uint8_t*>(rows_.row(point)); }

    const Rows& rows_;
    std::unique_ptr<quantized::CodeScorer> scorer_;
    FloatQuery floats_;
};

class WalkScorer final : public Scorer {
public:
    explicit WalkScorer(const Space& space) : comparer_(*space.walk_codes), floats_(space) {}

    void use_point(uint32_t) override { throw std::logic_error("codes for walks know no stored queries"); }
    void use_query(const char* query, size_t) override { comparer_.use_query(floats_.of(query)); }

    void score(const uint32_t* ids, size_t n, float* sims) override {
        comparer_.score(ids, n, sims);
        no_nan(sims, n);
    }

    float deviation(uint32_t point) const override { return comparer_.deviation(point); }
    void prefetch(uint32_t point) const override { comparer_.prefetch(point); }

private:
    quantized::WalkComparer comparer_;
    FloatQuery floats_;
};

}  // namespace

std::unique_ptr<Scorer> record_scorer(const Space& space) { return std::make_unique<RecordScorer>(space); }

std::unique_ptr<Scorer> walk_scorer(const Space& space) { return std::make_unique<WalkScorer>(space); }

}  // namespace edgeshard
