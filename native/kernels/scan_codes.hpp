// Exact search through byte codes: one pass over a quarter of the bytes finds the few rows worth looking at.
//
// The pass keeps, per query, the k-th best lower bound on the similarity (codes8.hpp). A row whose upper bound does not
// reach it cannot be among the k best. The other rows are compared as floats, best upper bound first, until the next
// upper bound is below the k-th best similarity found. The answer is the one of scan_topk: the same offsets, the same
// floats, the same order of ties. Where there are half-byte codes (codes4.hpp), the pass is over those, and the byte codes
// of the rows it leaves, about one in a hundred, make out the few.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/codes4/codes4.hpp"
#include "kernels/codes8/codes8.hpp"
#include "kernels/scan.hpp"
#include "support/huge_buffer.hpp"

namespace edgeshard {

// The codes of f32 rows, in offset order. Costs stride + 12 bytes per row, and half the stride + 16 more with nibbles. Not
// to be changed while it is read.
class Codes8 {
public:
    explicit Codes8(size_t dim, Isa isa = best_isa())
        : dim_(dim), stride_(code_stride(dim)), kernels_(code_kernels(isa)), nibble_bounds_(nibble_bounds(isa)) {}

    size_t dim() const { return dim_; }
    size_t count() const { return count_; }
    size_t size_bytes() const { return codes_.capacity() + 3 * sizeof(float) * scale_.capacity() + nibbles_.capacity(); }
    CodeRows rows() const { return {codes_.data(), stride_, scale_.data(), error_.data(), norm_.data(), stride_}; }
    const CodeKernels& kernels() const { return kernels_; }

    // Half-byte codes of the same rows: made by make_nibbles(), kept current from then on.
    bool has_nibbles() const { return has_nibbles_; }
    CodeRows nibbles() const {
        return {nibbles_.data(), nibble_stride(dim_), nullptr, nullptr, nullptr, nibble_width(dim_)};
    }
    CodeBoundsFn bounds_of_nibbles() const { return nibble_bounds_; }
    void make_nibbles(unsigned threads = 0);

    // Whether a pass over them was worth its time lately: there are data (many dimensions, no structure) they say too
    // little about. Now and then it is tried again.
    bool nibbles_pay() const;
    // Tells what share of the rows a pass over them left.
    void note_left(double share) const;

    // Shows codes of `rows` rows, as rows() and, if not null, nibbles() of another object gave them, in place of its own;
    // changing one copies them first.
    void borrow(const CodeRows& bytes, const uint8_t* nibbles, size_t rows);

    // Appends the codes of `rows.rows` rows of dim() floats.
    void extend(Chunk rows, unsigned threads = 0);

    // Encodes again the rows at `offsets` (below count()) from `rows`, in the same order.
    void update(const uint32_t* offsets, const char* rows, size_t n);

    // Copies of the codes at n offsets (below count()), side by side.
    void copy_to(Codes8& target, const uint32_t* offsets, size_t n) const;

private:
    void encode(const char* row, size_t offset);
    void encode_nibbles_of(size_t offset);

    size_t dim_, stride_;
    std::atomic<size_t> count_{0};  // this and has_nibbles_ may be asked for while rows are added
    CodeKernels kernels_;
    CodeBoundsFn nibble_bounds_;
    HugeBuffer<uint8_t> codes_, nibbles_;
    HugeBuffer<float> scale_, error_, norm_;
    std::atomic<bool> has_nibbles_{false};
    mutable std::atomic<float> left_{0};
    mutable std::atomic<uint32_t> passed_over_{0};
};

// The rows a search looks at: all, those with mask[offset] != 0, or the n distinct listed ones, of whose codes `copies`, if
// not null, holds copies side by side: those are read ahead by the hardware, and take two thirds of the time.
struct Selection {
    const uint8_t* mask = nullptr;
    const uint32_t* listed = nullptr;
    size_t n = 0;
    const Codes8* copies = nullptr;
};

// What scan_topk returns for the same arguments. The rows are f32, the codes are theirs (same count and dimension), the
// distance is cosine, dot or euclid. `rescored`, if not null, receives the number of rows compared as floats, summed
// over the queries.
std::vector<std::vector<Hit>> scan_topk_codes(const Codes8& codes, const Rows& rows, Queries queries,
                                              const Selection& selection, size_t k, const ScanOptions& options,
                                              size_t* rescored = nullptr);

}  // namespace edgeshard
