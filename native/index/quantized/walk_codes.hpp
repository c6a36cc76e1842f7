// Records laid out for graph walks: codes alone, each row in cache lines of its own, and the floats of a row beside them.
//
// Records as they are on disk share cache lines with their neighbours, and their chunks have to be searched for; half of
// what a walk over them costs is that. The similarity found here is that of the records, or of the records with the query rounded to
// bytes: close enough to find the neighbourhood, after which the records themselves decide.
#pragma once
#include <memory>
#include <vector>

#include "index/quantized/codec.hpp"
#include "kernels/quantized/listed.hpp"
#include "kernels/rows.hpp"
#include "support/huge_buffer.hpp"

namespace edgeshard::quantized {

// Codes of all rows, built from records or found in memory that somebody else keeps.
class WalkCodes {
public:
    // Whether a codec's records can be laid out like this.
    static bool possible(const Codec& codec);
    // Bytes of a row's codes and of all rows with their floats; possible(codec) must hold.
    static size_t stride(const Codec& codec);
    static size_t size_bytes(const Codec& codec, size_t count) { return count * (stride(codec) + kTermBytes); }

    // Copies the records; possible(codec) must hold.
    WalkCodes(std::shared_ptr<const Codec> codec, const Rows& records, unsigned threads);
    // What data() of another object pointed at: size_bytes(codec, count) bytes, aligned to a cache line. They must stay.
    WalkCodes(std::shared_ptr<const Codec> codec, size_t count, const uint8_t* data);

    const Codec& codec() const { return *codec_; }
    size_t count() const { return count_; }
    const uint8_t* data() const { return codes_; }
    const uint8_t* codes() const { return codes_; }
    size_t stride() const { return stride_; }
    const WalkForm& form() const { return form_; }
    // Two floats per row, see WalkQuery.
    const float* terms() const { return terms_; }

private:
    static constexpr size_t kTermBytes = 2 * sizeof(float);

    std::shared_ptr<const Codec> codec_;
    WalkForm form_;
    size_t count_, stride_;
    HugeBuffer<uint8_t> own_;
    const uint8_t* codes_;
    const float* terms_;
};

// Compares one query with listed rows; one per thread.
class WalkComparer {
public:
    explicit WalkComparer(const WalkCodes& codes, Isa isa = best_isa());

    void use_query(const float* query);
    // sims[i] = similarity of the query and row ids[i], which may be NaN for damaged records.
    void score(const uint32_t* ids, size_t n, float* sims) const;
    // See Scorer::deviation.
    float deviation(uint32_t id) const { return query_.deviation * codes_.terms()[2 * size_t{id}]; }
    void prefetch(uint32_t id) const;

private:
    const WalkCodes& codes_;
    ListedKernels kernels_;
    WalkQuery query_;
    std::vector<uint8_t> planes_;
};

}  // namespace edgeshard::quantized
