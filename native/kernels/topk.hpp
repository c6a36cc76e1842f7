// The k best of a stream of (similarity, offset) pairs.
//
// Order: larger similarity first, then smaller offset, so that the answer does not depend on the order of the stream.
// NaN similarities are ignored.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace edgeshard {

struct Hit {
    float sim;
    uint32_t offset;
};

inline bool better(const Hit& a, const Hit& b) {
    return a.sim > b.sim || (a.sim == b.sim && a.offset < b.offset);
}

class TopK {
public:
    explicit TopK(size_t k = 0) : k_(k) {}

    // No hit with a smaller similarity is taken any more: test it before calling offer() in a hot loop.
    float floor() const { return floor_; }

    void offer(float sim, uint32_t offset) {
        const Hit hit{sim, offset};
        if (hits_.size() < k_) {
            if (sim != sim) return;
            hits_.push_back(hit);
            if (hits_.size() < k_) return;
            std::make_heap(hits_.begin(), hits_.end(), better);  // the worst hit on top
        } else {
            if (k_ == 0 || !better(hit, hits_.front())) return;
            std::pop_heap(hits_.begin(), hits_.end(), better);
            hits_.back() = hit;
            std::push_heap(hits_.begin(), hits_.end(), better);
        }
        floor_ = hits_.front().sim;
    }

    void offer_all(const TopK& other) {
        for (const Hit& hit : other.hits_) offer(hit.sim, hit.offset);
    }

    // Leaves the hits best first; nothing may be offered afterwards.
    const std::vector<Hit>& sorted() {
        std::sort(hits_.begin(), hits_.end(), better);
        return hits_;
    }

private:
    size_t k_;
    float floor_ = -std::numeric_limits<float>::infinity();
    std::vector<Hit> hits_;
};

}  // namespace edgeshard
