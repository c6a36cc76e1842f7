// TurboQuant records: rotated components as 1, 2 or 4-bit numbers of levels, or as 8 or 16-bit whole numbers, then f32
// extras (docs/format/quantization.md). Used as element type of a storage (turbo4, turbo8, turbo16) and as quantization.
#pragma once
#include <vector>

#include "index/quantized/codec.hpp"
#include "index/quantized/rotation.hpp"
#include "kernels/distance.hpp"

namespace edgeshard::quantized {

struct TurboOptions {
    size_t dim;                 // 1 .. kMaxDim
    Distance distance;
    unsigned bits;              // 1, 2, 4, 8 or 16
    size_t padded;              // components that are coded, at least dim; a multiple of 8 / bits
    bool rotate_padding;        // rotate all `padded` components, or only the first dim
    bool plus;                  // records have the extra xm
    std::vector<double> shift;  // correction of the rotated components, `padded` long; empty: none
    std::vector<double> scale;
};

class TurboCodec final : public Codec {
public:
    explicit TurboCodec(TurboOptions options);

    void encode(const float* in, size_t rows, uint8_t* out) const override;
    bool decode(const uint8_t* in, size_t rows, float* out) const override;
    std::unique_ptr<CodeScorer> scorer(Isa isa) const override;
    double estimated_ns() const override;
    std::optional<WalkForm> walk_form() const override;
    void walk_terms(const uint8_t* record, float* terms) const override;
    void walk_query(const float* query, WalkQuery& out) const override;

    // The rotated components before coding, scaled to the length sqrt(padded): what corrections are fitted to.
    void rotate(const float* in, size_t rows, float* out) const;

    const TurboOptions& options() const { return options_; }
    size_t code_bytes() const { return code_bytes_; }
    size_t length_at() const { return code_bytes_ + 4; }  // of the second extra (Euclid)

    // `padded` rotated components of a query; `scratch` has room for as many.
    void rotated(const float* row, double* out, double* scratch) const;
    // The approximate vector in rotated space.
    void values(const uint8_t* record, double* out) const;
    // The approximate vectors of kLanes records side by side: number i of vector l is out[i].of[l] * factors[l]. `scratch`
    // and `out` have room for `padded` numbers of each.
    void decode_lanes(const LaneKernels& kernels, RowPointers records, LaneNumbers* scratch, LaneNumbers* out,
                      double* factors) const;

private:
    void encode_levels(double* x, uint8_t* record) const;
    void encode_numbers(const double* x, uint8_t* record) const;
    void finish(uint8_t* record, float length, float norm, float xm) const;
    // values() of kLanes records side by side.
    void lane_values(const LaneKernels& kernels, RowPointers records, LaneNumbers* x) const;
    // What the levels or whole numbers of a record are multiplied by.
    double factor_of(const uint8_t* record) const;
    // Qdrant Edge returns vectors decoded from levels with a length that is off by |levels| / sqrt(padded), as against the
    // ones it compares queries with. The factor that gives the same vectors; `square` is that of the length of values().
    double length_repair(const uint8_t* record, double square) const;
    float length_of(const double* x) const;
    double uncorrected(double level, size_t i) const {
        return options_.scale.empty() ? level : level / options_.scale[i] - options_.shift[i];
    }

    TurboOptions options_;
    Rotation rotation_;
    size_t code_bytes_;
};

// The levels of a code of 1, 2 or 4 bits, ascending.
const float* turbo_levels(unsigned bits);

// Bytes of a record.
size_t turbo_stride(unsigned bits, size_t padded, Distance distance, bool plus);

}  // namespace edgeshard::quantized
