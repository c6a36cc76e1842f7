// Which blocks of a gridstore are used: the bitmask, the gaps per region, and first-fit allocation.
//
//   bitmask   one bit per block of all pages, least significant first, 1 = used
//   gaps      per region: u16 longest free run, u16 free run at the start, u16 free run at the end (blocks)
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgeshard {

struct RegionGaps {
    uint16_t longest, leading, trailing;
    bool operator==(const RegionGaps &) const = default;
};
static_assert(sizeof(RegionGaps) == 6);

// A run of blocks, numbered over all pages.
struct BlockRun {
    uint64_t start, count;
};

// Bytes to write into bitmask.dat or gaps.dat.
struct ImagePart {
    uint64_t offset;
    std::vector<uint8_t> bytes;
};

struct SpaceImage {
    std::vector<ImagePart> bitmask, gaps;
};

class BlockSpace {
public:
    static constexpr uint64_t kNone = ~uint64_t(0);

    BlockSpace(uint64_t blocks_per_page, uint32_t region_blocks)
        : blocks_per_page_(blocks_per_page), region_blocks_(region_blocks) {}

    // Appends a page of free blocks.
    void add_page();
    uint64_t blocks() const { return blocks_; }

    // Marks blocks used while a store is opened; false if one of them is used already.
    bool claim(BlockRun run);
    // Ends opening: computes all gaps and marks the regions that differ from the files (may be short).
    void finish_claims(const uint8_t *bitmask, size_t bitmask_size, const uint8_t *gaps, size_t gaps_size);

    // First block of a run of `count` free blocks, now used; kNone if no page has room.
    uint64_t allocate(uint64_t count);
    // Frees the first `count` runs.
    void release(const std::vector<BlockRun> &runs, size_t count);
    // Pages that must be added before `count` blocks can be allocated.
    uint64_t pages_missing(uint64_t count);

    // What a flush writes: every changed region as it is once `freed` is free. Changes nothing.
    SpaceImage image(const std::vector<BlockRun> &freed, size_t freed_count) const;
    void mark_clean();
    bool dirty() const { return dirty_count_ != 0; }

private:
    uint64_t regions() const { return gaps_.size(); }
    uint64_t region_start(uint64_t region) const { return region * region_blocks_; }
    void mark_dirty(BlockRun run);
    void set_dirty(uint64_t region);
    void update_region(uint64_t region);
    void update_run(BlockRun run);
    uint64_t take(uint64_t count);
    bool advance(uint64_t count);
    void leave_region();
    uint64_t first_region(uint64_t count) const;
    uint64_t across_regions(uint64_t count) const;

    uint64_t blocks_per_page_, region_blocks_, blocks_ = 0;
    std::vector<uint64_t> words_;
    std::vector<RegionGaps> gaps_;
    std::vector<uint16_t> best_;  // the largest `longest` of each group of regions
    std::vector<bool> dirty_;
    size_t dirty_count_ = 0;
    // Where allocation goes on: a free run in a region whose gaps are brought up to date when it is left.
    uint64_t run_ = 0, run_end_ = 0, open_region_ = kNone;
};

}  // namespace edgeshard
