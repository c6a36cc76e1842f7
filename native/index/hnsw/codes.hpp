// One byte per element for a whole vector storage: what the graph is built and walked on.
//
// value = round(x / scale), cut to -127..127, with one scale for all: the 99.95th percentile of |x| over a sample, / 127.
// Cutting the few largest elements costs less than a coarser step for all others. A row is stored as value + 128 (see
// code_dot.hpp), rows start at multiples of 64 bytes.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "index/hnsw/code_dot.hpp"
#include "kernels/rows.hpp"

namespace edgeshard {

class Int8Codes {
public:
    // Encodes all rows. Elements that are not finite count as 0.
    Int8Codes(const Rows& rows, unsigned threads);

    // Encodes the rows from count() on with the scale of the first ones.
    void extend(const Rows& rows, unsigned threads);
    // Encodes the listed rows again.
    void update(const Rows& rows, const uint32_t* offsets, size_t n);

    size_t count() const { return count_; }
    size_t dim() const { return dim_; }
    size_t stride() const { return stride_; }
    float scale() const { return scale_; }
    const uint8_t* data() const { return data_.get(); }
    const uint8_t* row(size_t i) const { return data_.get() + i * stride_; }
    // |x|^2 of the original row.
    float squared_norm(size_t i) const { return norms_[i]; }
    size_t size_bytes() const { return capacity_ * stride_ + norms_.capacity() * sizeof(float); }

private:
    void reserve(size_t rows);
    void encode(const Rows& rows, size_t begin, size_t end);

    struct Free {
        void operator()(uint8_t* p) const;
    };
    size_t dim_, stride_, count_ = 0, capacity_ = 0;
    float scale_ = 1;
    std::unique_ptr<uint8_t[], Free> data_;
    std::vector<float> norms_;
};

// Elements of a stored row as floats.
void to_floats(const char* row, ElementType type, size_t dim, float* out);

// Query elements as int8 with their own scale (largest magnitude / 127), which is returned; `out` is padded to `stride`.
float encode_query(const float* query, size_t dim, size_t stride, int8_t* out, int32_t* sum);

}  // namespace edgeshard
