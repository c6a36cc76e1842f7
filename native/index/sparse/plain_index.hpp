// The index of an appendable segment: plain posting lists in memory, kept current as points change.
#pragma once
#include <mutex>
#include <unordered_map>
#include <vector>

#include "index/sparse/postings.hpp"

namespace edgeshard::sparse {

class PlainIndex final : public Index {
public:
    // Adds the vector of a point that has none here. Dimensions distinct.
    void put(uint32_t id, const uint32_t* dimensions, const float* weights, size_t n);
    // Takes out the vector a point has.
    void remove(uint32_t id, const uint32_t* dimensions, size_t n);

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

    std::unordered_map<uint32_t, uint32_t> slots_;
    std::vector<uint32_t> dimensions_;
    std::vector<Postings> lists_;
    uint64_t vectors_ = 0;
    std::mutex describing_;  // searches run side by side and may find the same list changed
};

}  // namespace edgeshard::sparse
