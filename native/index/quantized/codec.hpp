// One way of compressing vectors: encoding a row into a record of bytes and comparing queries with records.
//
// A similarity is larger for closer vectors, as everywhere. Records come from disk: scorers accept any bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/quantized/quantized.hpp"

namespace edgeshard::quantized {

// Compares one query with records; one per thread.
class CodeScorer {
public:
    virtual ~CodeScorer() = default;
    // The query is `dim` floats, normalised for cosine. The memory is not needed afterwards.
    virtual void use_query(const float* query) = 0;
    // The query is a stored record (graph building).
    virtual void use_record(const uint8_t* record) = 0;
    // sims[i] = similarity of the query and records[i]; never NaN for finite queries and sound records.
    virtual void score(RowPointers records, size_t n, float* sims) = 0;
};

// Immutable, shared by threads.
class Codec {
public:
    Codec(size_t dim, size_t stride) : dim_(dim), stride_(stride) {}
    virtual ~Codec() = default;
    Codec(const Codec&) = delete;
    Codec& operator=(const Codec&) = delete;

    size_t dim() const { return dim_; }
    size_t stride() const { return stride_; }  // bytes of a record

    // `rows` x dim floats to `rows` x stride bytes.
    virtual void encode(const float* in, size_t rows, uint8_t* out) const = 0;
    // Records back to (lossy) vectors; false if this method cannot.
    virtual bool decode(const uint8_t* in, size_t rows, float* out) const = 0;
    virtual std::unique_ptr<CodeScorer> scorer(Isa isa = best_isa()) const = 0;
    // About how long one comparison takes.
    virtual double estimated_ns() const = 0;

private:
    size_t dim_, stride_;
};

// Unaligned floats inside records.
inline float load_float(const uint8_t* p) {
    float value;
    __builtin_memcpy(&value, p, 4);
    return value;
}

inline void store_float(uint8_t* p, float value) { __builtin_memcpy(p, &value, 4); }

inline constexpr size_t kScoreBlock = 64;  // records whose integer sums are held at a time

}  // namespace edgeshard::quantized
