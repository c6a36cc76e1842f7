// What one walk over a graph remembers: the best points seen, and which points were seen at all.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

namespace edgeshard {

struct Candidate {
    float sim;
    uint32_t id;
};

// The `capacity` best candidates, best first, each expanded or not. A sorted array instead of two heaps: an insertion
// moves a few cache lines, and the next point to expand is found by an index. Points worse than the last of a full beam
// are never expanded by HNSW either, so the walk is the same.
class Beam {
public:
    void reset(size_t capacity) {
        capacity_ = std::max<size_t>(capacity, 1);
        if (items_.size() < capacity_ + 1) items_.resize(capacity_ + 1);
        expanded_.assign(capacity_ / kBits + 1, 0);
        size_ = next_ = 0;
    }

    size_t size() const { return size_; }
    const Candidate& operator[](size_t i) const { return items_[i]; }
    const Candidate* begin() const { return items_.data(); }
    const Candidate* end() const { return items_.data() + size_; }

    bool full() const { return size_ == capacity_; }

    // A similarity must be larger than this to enter.
    bool accepts(float sim) const { return size_ < capacity_ || sim > items_[size_ - 1].sim; }

    // Larger similarities first, equal ones in the order they came. accepts(sim) must hold.
    void insert(float sim, uint32_t id) {
        const size_t end = std::min(size_, capacity_ - 1);
        size_t low = end;
        if (end > kNear && items_[end - kNear].sim < sim) {
            low = place(sim, end - kNear);
            std::memmove(&items_[low + 1], &items_[low], (end - low) * sizeof(Candidate));
        } else {
            for (; low > 0 && items_[low - 1].sim < sim; --low) items_[low] = items_[low - 1];
        }
        items_[low] = {sim, id};
        shift_flags(low);
        size_ = std::min(size_ + 1, capacity_);
        next_ = std::min(next_, low);
    }

    // The best candidate not expanded yet, which is then marked; nullptr when all are.
    const Candidate* pop() {
        for (; next_ < size_; next_ = (next_ / kBits + 1) * kBits) {
            uint64_t& word = expanded_[next_ / kBits];
            const uint64_t open = ~word >> next_ % kBits;
            if (!open) continue;
            next_ += static_cast<size_t>(std::countr_zero(open));
            if (next_ >= size_) break;
            word |= uint64_t{1} << next_ % kBits;
            return &items_[next_++];
        }
        return nullptr;
    }

    // Ends behind the first `size` candidates: others must be better than the last of them from now on.
    void close(size_t size) { size_ = capacity_ = size; }
    // Makes room for one more candidate beside those it holds, up to `most` of them, which reset() had room for.
    void widen(size_t most) { capacity_ = std::min(capacity_ + 1, most); }

    // Makes all candidates ones that are not expanded yet.
    void reopen() {
        std::fill(expanded_.begin(), expanded_.end(), uint64_t{0});
        next_ = 0;
    }

private:
    static constexpr size_t kBits = 64;
    // So far from the end candidates are moved one by one as they are compared: faster than a search and a move.
    static constexpr size_t kNear = 64;

    // Where a similarity belongs among the first `count`; without branches: which half it is cannot be predicted.
    size_t place(float sim, size_t count) const {
        size_t low = 0;
        for (size_t left = count; left > 0;) {
            const size_t half = (left + 1) / 2;
            low += items_[low + half - 1].sim >= sim ? half : 0;
            left -= half;
        }
        return low;
    }

    // Makes room for a candidate at `at`, which is not expanded.
    void shift_flags(size_t at) {
        size_t word = at / kBits;
        const uint64_t below = (uint64_t{1} << at % kBits) - 1, first = expanded_[word];
        uint64_t carry = first >> (kBits - 1);
        expanded_[word] = (first & below) | (first & ~below) << 1;
        for (const size_t last = std::min(size_, capacity_) / kBits; ++word <= last;) {
            const uint64_t old = expanded_[word];
            expanded_[word] = old << 1 | carry;
            carry = old >> (kBits - 1);
        }
    }

    size_t capacity_ = 1, size_ = 0, next_ = 0;
    std::vector<Candidate> items_;
    std::vector<uint64_t> expanded_;  // one bit each
};

// A set of points that is emptied by counting a generation up.
class Visited {
public:
    void reset(size_t n) {
        if (marks_.size() < n) {
            marks_.assign(n, 0);
            generation_ = 0;
        }
        if (++generation_ == 0) {
            std::fill(marks_.begin(), marks_.end(), uint8_t{0});
            generation_ = 1;
        }
    }
    bool contains(uint32_t id) const { return marks_[id] == generation_; }
    // The set for a loop: a copy that compilers keep in registers. reset() ends it.
    struct View {
        uint8_t* marks;
        uint8_t generation;
        bool insert(uint32_t id) const {
            const bool fresh = marks[id] != generation;
            marks[id] = generation;
            return fresh;
        }
    };
    View view() { return {marks_.data(), generation_}; }

    // Whether it was new.
    bool insert(uint32_t id) {
        const bool fresh = marks_[id] != generation_;
        marks_[id] = generation_;
        return fresh;
    }

private:
    std::vector<uint8_t> marks_;
    uint8_t generation_ = 0;
};

}  // namespace edgeshard
