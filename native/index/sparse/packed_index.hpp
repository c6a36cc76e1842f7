// The index of an optimised segment: compressed posting lists read in place from inverted_index.dat.
#pragma once
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "index/sparse/postings.hpp"

namespace edgeshard::sparse {

inline constexpr size_t kTailBytes = 8;  // a posting of the remainder, whatever the weight type

// Sizes that depend on the type of the weights, in bytes.
struct Layout {
    size_t header, weight;
    size_t chunk() const { return 8 + kBlock * weight; }
    static Layout of(WeightType type) {
        return {type == WeightType::u8 ? size_t{32} : size_t{24},
                type == WeightType::f32 ? size_t{4} : type == WeightType::f16 ? size_t{2} : size_t{1}};
    }
};

// Headers are checked when the file is opened; a list when it is first searched, which also describes its blocks.
class PackedIndex final : public Index {
public:
    // `data` must outlive the index. `points`: ids are below it. `slots`: (dimension, list) by ascending dimension,
    // lists below `count`.
    Damage open(const uint8_t* data, size_t bytes, size_t count, WeightType type, uint64_t points, uint64_t vectors,
                std::vector<std::pair<uint32_t, uint32_t>> slots);

    Damage find(uint32_t dimension, List& out) override;
    size_t length(uint32_t dimension) const override;
    uint64_t vectors() const override { return vectors_; }
    // Checks every list.
    Damage check();

private:
    static constexpr uint32_t kNone = UINT32_MAX;

    uint32_t slot_of(uint32_t dimension) const;
    Damage open_list(size_t slot, uint64_t start, uint64_t end);
    Damage describe_list(size_t slot);

    const uint8_t* data_ = nullptr;
    uint64_t points_ = 0, vectors_ = 0;
    WeightType type_ = WeightType::f32;
    std::vector<std::pair<uint32_t, uint32_t>> slots_;
    std::vector<PackedList> lists_;
    std::vector<std::unique_ptr<BlockInfo[]>> blocks_;  // by list, null until it is needed
    std::unordered_map<uint32_t, std::vector<float>> dense_;  // by list, see List; made when it is needed
    std::mutex describing_;
};

}  // namespace edgeshard::sparse
