// The order in which a bounded priority queue gives back hits of equal score.
//
// Qdrant collects hits in the binary heap of Rust's standard library, which compares scores only: which of two equal
// hits comes first follows from how the heap moves its items. Where places count (reciprocal rank fusion), so does that.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace edgeshard {

// A heap with the lowest score on top, with the moves of the binary heap of Rust's standard library.
class QueueOrder {
public:
    explicit QueueOrder(std::span<const float> scores) : scores_(scores) { heap_.reserve(scores.size()); }

    // Places in `scores`, highest score first. Scores come in that order already, and hold no NaN.
    std::vector<std::uint32_t> drained() {
        for (std::uint32_t place = 0; place < scores_.size(); ++place) push(place);
        for (std::size_t end = heap_.size(); end > 1;) {
            std::swap(heap_.front(), heap_[--end]);
            sink(end);
        }
        return std::move(heap_);
    }

private:
    float score(std::size_t at) const { return scores_[heap_[at]]; }

    void push(std::uint32_t place) {
        heap_.push_back(place);
        std::size_t at = heap_.size() - 1;
        while (at > 0) {
            const std::size_t parent = (at - 1) / 2;
            if (scores_[place] >= score(parent)) break;
            heap_[at] = heap_[parent];
            at = parent;
        }
        heap_[at] = place;
    }

    // Moves the top down among the first `end` items; of two equal children it follows the right one.
    void sink(std::size_t end) {
        const std::uint32_t place = heap_.front();
        std::size_t at = 0;
        for (std::size_t child = 1; child < end; child = 2 * at + 1) {
            if (child + 1 < end && score(child) >= score(child + 1)) ++child;
            if (scores_[place] <= score(child)) break;
            heap_[at] = heap_[child];
            at = child;
        }
        heap_[at] = place;
    }

    std::span<const float> scores_;
    std::vector<std::uint32_t> heap_;
};

}  // namespace edgeshard
