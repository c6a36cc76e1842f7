#include "index/hnsw/record_scorer.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "index/quantized/codec.hpp"
#include "kernels/half.hpp"
#include "kernels/prefetch.hpp"

namespace edgeshard {
namespace {

class RecordScorer final : public Scorer {
public:
    explicit RecordScorer(const Space& space)
        : rows_(space.record_rows ? *space.record_rows : space.rows), type_(space.query_type()),
          scorer_(space.records->scorer()), floats_(space.records->dim()) {}

    void use_point(uint32_t point) override { scorer_->use_record(record(point)); }

    void use_query(const char* query, size_t) override {
        if (type_ == ElementType::f32) return scorer_->use_query(reinterpret_cast<const float*>(query));
        for (size_t i = 0; i < floats_.size(); ++i)
            floats_[i] = type_ == ElementType::f16 ? half_to_float(reinterpret_cast<const uint16_t*>(query)[i])
                                                   : static_cast<float>(reinterpret_cast<const uint8_t*>(query)[i]);
        scorer_->use_query(floats_.data());
    }

    void score(const uint32_t* ids, size_t n, float* sims) override {
        const uint8_t* records[quantized::kScoreBlock];
        for (size_t at = 0; at < n; at += quantized::kScoreBlock) {
            const size_t m = std::min(quantized::kScoreBlock, n - at);
            for (size_t i = 0; i < m; ++i) records[i] = record(ids[at + i]);
            scorer_->score(records, m, sims + at);
        }
        for (size_t i = 0; i < n; ++i)
            if (sims[i] != sims[i]) sims[i] = -std::numeric_limits<float>::infinity();
    }

    void prefetch(const uint32_t* ids, size_t n) const override {
        for (size_t i = 0; i < n; ++i) prefetch_row(record(ids[i]), rows_.row_bytes(), 1024);
    }

private:
    const uint8_t* record(uint32_t point) const { return reinterpret_cast<const uint8_t*>(rows_.row(point)); }

    const Rows& rows_;
    const ElementType type_;
    std::unique_ptr<quantized::CodeScorer> scorer_;
    std::vector<float> floats_;
};

}  // namespace

std::unique_ptr<Scorer> record_scorer(const Space& space) { return std::make_unique<RecordScorer>(space); }

}  // namespace edgeshard
