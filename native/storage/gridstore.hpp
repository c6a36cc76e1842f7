// A gridstore over mapped files: slots (u32) to byte strings. docs/format/gridstore.md describes the files.
//
//   tracker.dat   u32 count, then per slot: u32 present | u32 page | u32 block | u32 length
//   page_N.dat    values in blocks; a value may continue at the start of the next page
//   value (LZ4)   u32 uncompressed size, one LZ4 block; otherwise the bytes themselves
//
// The core is given the mapped bytes and knows no files: its owner keeps the buffers alive until it has
// replaced them or closed the core. Reads may run in any number of threads beside one writer. Nothing here
// throws; what can go wrong is in the returned status.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <vector>

#include "storage/gridstore_space.hpp"

namespace edgeshard {

struct GridConfig {
    uint64_t page_bytes;
    uint32_t block_bytes;
    uint32_t region_blocks;
    bool lz4;
};

struct GridSlot {
    uint32_t present, page, block, length;
};
static_assert(sizeof(GridSlot) == 16);

struct ByteView {
    const uint8_t *data;  // nullptr: no value
    size_t size;
};

// What is wrong with a slot, or with opening; `reason` is nullptr when all is well.
struct GridDamage {
    const char *reason = nullptr;
    uint64_t slot = 0;
    bool in_tracker = false;  // else in the bytes of a page
    uint64_t page = 0, offset = 0;
    explicit operator bool() const { return reason != nullptr; }
};

// Bytes with a capacity, never cleared; reused from call to call.
class Scratch {
public:
    uint8_t *reserve(size_t size);
    void trim(size_t keep);  // gives memory back when more than `keep` bytes are held
    uint8_t *data() const { return data_.get(); }

private:
    std::unique_ptr<uint8_t[]> data_;
    size_t capacity_ = 0;
};

enum class PutStatus { done, needs_pages, too_large };

struct PutResult {
    size_t next;  // first value that was not stored
    PutStatus status;
    uint64_t pages;  // pages to add before going on
};

struct PageRange {
    uint64_t page, start, stop;
};

// What a flush writes (see GridCore::collect).
struct GridImage {
    std::vector<PageRange> pages;
    std::vector<BlockRun> tracker;  // bytes: start and count
    SpaceImage space;
};

class GridCore {
public:
    explicit GridCore(GridConfig config);

    const GridConfig &config() const { return config_; }

    // Buffers. `tracker` is the whole of tracker.dat, at least 4 bytes; a page is config.page_bytes long.
    void set_tracker(uint8_t *tracker, size_t size);
    void add_page(uint8_t *page);
    void close();

    // Validates every slot and rebuilds the free space from them; bitmask and gaps are the files' contents.
    GridDamage load(ByteView bitmask, ByteView gaps);
    // Marks slots changed that a tracker journal put there.
    void touch(const uint32_t *slots, size_t count);

    uint32_t count() const { return count_; }
    uint64_t live() const { return live_; }
    uint64_t capacity() const { return capacity_; }
    uint64_t dirty_bytes() const { return dirty_bytes_; }
    bool dirty() const;

    // Reading. get leaves the value in `out`; found is false for an absent slot.
    GridDamage get(uint64_t slot, Scratch &out, size_t &size, bool &found);
    bool try_get(uint64_t slot, Scratch &out, size_t &size, bool &found, GridDamage &damage);
    // bounds has n + 1 elements; `slots` may be nullptr for 0..n-1. Sizes first, then fill with those bounds:
    // a writer may come in between, so fill fails (`stale`) when a size has changed and is then repeated.
    GridDamage sizes(const uint32_t *slots, size_t n, int64_t *bounds);
    GridDamage fill(const uint32_t *slots, size_t n, const int64_t *bounds, uint8_t *out, bool &stale);
    void present(const uint32_t *slots, size_t n, bool *out);

    // Writing; every slot must be below capacity(). A value without data removes its slot.
    PutResult put(const uint32_t *slots, const ByteView *values, size_t from, size_t n);
    void remove(const uint32_t *slots, size_t n);
    // Between begin and commit or rollback, changes can be undone.
    void begin();
    void commit();
    void rollback();

    // Flushing: collect describes all changes, with superseded blocks already free in bitmask and gaps;
    // flushed, once all of that is durable, frees them for reuse. No change may come in between.
    GridImage collect();
    // Byte ranges of the tracker that have changed.
    std::vector<BlockRun> tracker_changes() const;
    void flushed();

private:
    struct Undo {
        uint32_t slot;
        GridSlot before;
        uint32_t count;
    };

    GridSlot *slots() const { return reinterpret_cast<GridSlot *>(tracker_ + sizeof(uint32_t)); }
    BlockRun run_of(const GridSlot &slot) const;
    const char *check_slot(const GridSlot &slot) const;
    ByteView stored(const GridSlot &slot, Scratch &gather) const;
    GridDamage damage(uint64_t slot, const char *reason) const;
    GridDamage read(uint64_t slot, Scratch &out, size_t &size, bool &found);
    GridDamage size_of(uint64_t slot, size_t &size) const;
    void copy_out(uint64_t page, uint64_t offset, uint8_t *out, size_t size) const;
    std::vector<BlockRun> changed_slots() const;
    ByteView encode(ByteView value, Scratch &scratch) const;
    void copy_in(BlockRun run, ByteView bytes);
    void set_slot(uint32_t slot, const GridSlot &record);
    void grow_count(uint32_t slot);
    void mark_slot(uint32_t slot);
    void mark_pages(uint64_t page, uint64_t start, uint64_t stop);

    GridConfig config_;
    uint64_t blocks_per_page_;
    std::vector<uint8_t *> pages_;
    uint8_t *tracker_ = nullptr;
    uint64_t capacity_ = 0, live_ = 0, dirty_bytes_ = 0;
    uint32_t count_ = 0;
    BlockSpace space_;
    std::vector<BlockRun> freed_;  // superseded; free after the next flush
    size_t freed_in_image_ = 0;
    std::vector<uint64_t> dirty_slots_;  // one bit per slot
    bool dirty_count_ = false;           // the header changed
    std::vector<PageRange> dirty_pages_;
    bool in_batch_ = false;
    std::vector<Undo> undo_;
    size_t undo_freed_ = 0;
    Scratch encode_scratch_;
    mutable std::shared_mutex mutex_;
};

}  // namespace edgeshard
