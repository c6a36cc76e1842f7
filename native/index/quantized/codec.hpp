// One way of compressing vectors: encoding a row into a record of bytes and comparing queries with records.
//
// A similarity is larger for closer vectors, as everywhere. Records come from disk: scorers accept any bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

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

// What graph walks need of a record (index/quantized/walk_codes.hpp): codes of some bits each, packed from the least
// significant bit on, or (0) bits that are compared as they are.
struct WalkForm {
    unsigned bits;        // 1, 2, 4, 8, or 0
    size_t begin, bytes;  // where they are in a record
    uint8_t levels[16];   // what a code of less than 8 bits stands for
    bool same = false;    // similarities are those of the records: nothing has to be compared again
};

// A query rounded to bytes. With raw = sum of numbers[i] * level of code i, or the number of differing bits, and the two
// terms of the row: similarity = ((raw - bias) * unit + offset) * terms[0] + constant + terms[1].
struct WalkQuery {
    std::vector<int8_t> numbers;
    std::vector<uint8_t> bits;
    int32_t bias = 0;
    float unit = 1, offset = 0, constant = 0;
    // Times terms[0]: how far the similarity is from that of the originals, as a standard deviation; infinite if unknown.
    float deviation = std::numeric_limits<float>::infinity();
    std::vector<double> rotated, scratch;  // for the codec alone
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

    // None if walks go over the records as they are. Otherwise the following two are defined.
    virtual std::optional<WalkForm> walk_form() const { return std::nullopt; }
    virtual void walk_terms(const uint8_t* /*record*/, float* /*terms*/) const {}
    virtual void walk_query(const float* /*query*/, WalkQuery& /*out*/) const {}

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
