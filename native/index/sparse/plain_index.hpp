// The index of an appendable segment: plain posting lists in memory, kept current as points change.
#pragma once
#include <mutex>
#include <unordered_map>
#include <vector>

#include "index/sparse/postings.hpp"

namespace edgeshard::sparse {

// Vectors of several points: those of row r are from starts[r] to starts[r + 1]. Dimensions of a row distinct.
struct Rows {
    const uint32_t* ids;
    const int64_t* starts;  // one more than rows, ascending
    const uint32_t* dimensions;
    size_t count;
};

class PlainIndex final : public Index {
public:
    // Adds the vectors of points that have none here; a weight per dimension.
    void put(const Rows& rows, const float* weights);
    // Takes out the vectors points have.
    void remove(const Rows& rows);

    Damage find(uint32_t dimension, List& out) override;
    size_t length(uint32_t dimension) const override;
    uint64_t vectors() const override { return vectors_; }

    // Dimensions in the order in which they appeared first.
    const std::vector<uint32_t>& dimensions() const { return dimensions_; }

    // The content of inverted_index.dat; lists in the order of dimensions(). Empty lists are written as such.
    std::vector<uint8_t> encode(WeightType type) const;

private:
    struct Postings {
        std::vector<uint32_t> ids;
        std::vector<float> weights;
        std::vector<BlockInfo> blocks;  // the first `described` are current
        size_t described = 0;
        std::vector<float> dense;  // see List; empty if there is none or it is out of date

        void insert(uint32_t id, float weight);
        void erase(uint32_t id);
        void describe_all();
    };

    // Calls work(list, id, place in the rows) for each posting; of many those of one list come one after the other, in
    // the order of rows, so that a list is fetched once. Unknown dimensions get a list if `create`, else are left out.
    template <class Work>
    void each(const Rows& rows, bool create, Work work);
    template <class Work>
    void each_of(const Rows& rows, size_t first, size_t last, bool create, Work work);
    uint32_t slot_of(uint32_t dimension, bool create);

    std::unordered_map<uint32_t, uint32_t> slots_;
    std::vector<uint32_t> dimensions_;
    std::vector<Postings> lists_;
    uint64_t vectors_ = 0;
    std::mutex describing_;  // searches run side by side and may find the same list changed
};

}  // namespace edgeshard::sparse
