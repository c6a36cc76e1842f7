#include "storage/gridstore.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>

#include "codec/lz4_block.hpp"

namespace edgeshard {
namespace {

constexpr size_t kSizePrefix = sizeof(uint32_t);   // before an LZ4 block
constexpr uint64_t kMaxLength = ~uint32_t(0);      // a slot has 32 bits for the length
constexpr size_t kKeepScratch = size_t(1) << 20;   // memory a reused buffer may hold on to
constexpr uint32_t kSlotGap = 8;                   // unchanged slots worth writing to save a range

using ReadLock = std::shared_lock<std::shared_mutex>;
using WriteLock = std::unique_lock<std::shared_mutex>;

Scratch &thread_gather() {
    thread_local Scratch scratch;
    scratch.trim(kKeepScratch);
    return scratch;
}

// Uncompressed size of a stored value, if it can be true.
const char *plain_size(ByteView stored, size_t &size) {
    if (stored.size <= kSizePrefix) return "the value is too short for its size prefix";
    uint32_t claimed;
    std::memcpy(&claimed, stored.data, kSizePrefix);
    if (!lz4_plausible(stored.size - kSizePrefix, claimed)) return "the value claims an impossible size";
    size = claimed;
    return nullptr;
}

}  // namespace

uint8_t *Scratch::reserve(size_t size) {
    if (size > capacity_) {
        capacity_ = std::max(size, capacity_ * 2);
        data_.reset(new uint8_t[capacity_]);
    }
    return data_.get();
}

void Scratch::trim(size_t keep) {
    if (capacity_ <= keep) return;
    data_.reset();
    capacity_ = 0;
}

GridCore::GridCore(GridConfig config)
    : config_(config),
      blocks_per_page_(config.page_bytes / config.block_bytes),
      space_(blocks_per_page_, config.region_blocks) {}

// --- buffers and opening ------------------------------------------------------

void GridCore::set_tracker(uint8_t *tracker, size_t size) {
    WriteLock lock(mutex_);
    tracker_ = tracker;
    capacity_ = (size - sizeof(uint32_t)) / sizeof(GridSlot);
    dirty_slots_.resize((capacity_ + 63) / 64);
}

void GridCore::add_page(uint8_t *page) {
    WriteLock lock(mutex_);
    pages_.push_back(page);
    space_.add_page();
}

void GridCore::close() {
    WriteLock lock(mutex_);
    pages_.clear();
    tracker_ = nullptr;
    capacity_ = live_ = 0;
    count_ = 0;
}

BlockRun GridCore::run_of(const GridSlot &slot) const {
    uint64_t blocks = (uint64_t(slot.length) + config_.block_bytes - 1) / config_.block_bytes;
    return {uint64_t(slot.page) * blocks_per_page_ + slot.block, blocks};
}

const char *GridCore::check_slot(const GridSlot &slot) const {
    if (slot.present > 1) return "a slot is neither present nor absent";
    if (!slot.present || !slot.length) return nullptr;
    if (slot.block >= blocks_per_page_) return "a slot points past the end of its page";
    BlockRun run = run_of(slot);
    if (run.start + run.count > space_.blocks()) return "a slot points past the last page";
    return nullptr;
}

GridDamage GridCore::damage(uint64_t slot, const char *reason) const {
    const GridSlot &at = slots()[slot];
    return {reason, slot, false, at.page, uint64_t(at.block) * config_.block_bytes};
}

GridDamage GridCore::load(ByteView bitmask, ByteView gaps) {
    WriteLock lock(mutex_);
    std::memcpy(&count_, tracker_, sizeof count_);
    if (count_ > capacity_) {
        count_ = 0;
        return {"the header counts more slots than the file has", 0, true, 0, 0};
    }
    live_ = 0;
    for (uint64_t i = 0; i < count_; ++i) {
        const GridSlot &slot = slots()[i];
        const char *reason = check_slot(slot);
        if (!reason && slot.present && !space_.claim(run_of(slot))) reason = "two slots share a block";
        if (reason) {
            count_ = 0;
            return {reason, i, true, 0, sizeof(uint32_t) + i * sizeof(GridSlot)};
        }
        live_ += slot.present;
    }
    space_.finish_claims(bitmask.data, bitmask.size, gaps.data, gaps.size);
    return {};
}

void GridCore::touch(const uint32_t *slots, size_t count) {
    WriteLock lock(mutex_);
    for (size_t i = 0; i < count; ++i) mark_slot(slots[i]);
    dirty_count_ = true;
}

// --- reading -------------------------------------------------------------------

void GridCore::copy_out(uint64_t page, uint64_t offset, uint8_t *out, size_t size) const {
    while (size) {
        size_t part = size_t(std::min<uint64_t>(size, config_.page_bytes - offset));
        std::memcpy(out, pages_[page] + offset, part);
        out += part;
        size -= part;
        ++page;
        offset = 0;
    }
}

// The stored bytes of a checked slot: in place, or gathered when they span pages.
ByteView GridCore::stored(const GridSlot &slot, Scratch &gather) const {
    uint64_t offset = uint64_t(slot.block) * config_.block_bytes;
    if (!slot.length) return {tracker_, 0};
    if (offset + slot.length <= config_.page_bytes) return {pages_[slot.page] + offset, slot.length};
    copy_out(slot.page, offset, gather.reserve(slot.length), slot.length);
    return {gather.data(), slot.length};
}

GridDamage GridCore::read(uint64_t slot, Scratch &out, size_t &size, bool &found) {
    found = slot < count_ && slots()[slot].present;
    if (!found) return {};
    // Slots were checked when the store was opened, but the file is mapped: another program may change it.
    GridSlot record = slots()[slot];
    if (const char *reason = check_slot(record)) return damage(slot, reason);
    if (!config_.lz4) {
        size = record.length;
        copy_out(record.page, uint64_t(record.block) * config_.block_bytes, out.reserve(size), size);
        return {};
    }
    ByteView bytes = stored(record, thread_gather());
    if (const char *reason = plain_size(bytes, size)) return damage(slot, reason);
    if (!lz4_decompress(bytes.data + kSizePrefix, bytes.size - kSizePrefix, out.reserve(size), size))
        return damage(slot, "the value does not decompress");
    return {};
}

GridDamage GridCore::get(uint64_t slot, Scratch &out, size_t &size, bool &found) {
    ReadLock lock(mutex_);
    return read(slot, out, size, found);
}

bool GridCore::try_get(uint64_t slot, Scratch &out, size_t &size, bool &found, GridDamage &damage) {
    ReadLock lock(mutex_, std::try_to_lock);
    if (!lock) return false;
    damage = read(slot, out, size, found);
    return true;
}

GridDamage GridCore::size_of(uint64_t slot, size_t &size) const {
    size = 0;
    if (slot >= count_ || !slots()[slot].present) return {};
    GridSlot record = slots()[slot];
    if (const char *reason = check_slot(record)) return damage(slot, reason);
    if (!config_.lz4) {
        size = record.length;
        return {};
    }
    uint8_t prefix[kSizePrefix + 1];
    size_t length = std::min<size_t>(record.length, sizeof prefix);
    copy_out(record.page, uint64_t(record.block) * config_.block_bytes, prefix, length);
    const char *reason = plain_size({prefix, length <= kSizePrefix ? length : record.length}, size);
    return reason ? damage(slot, reason) : GridDamage{};
}

GridDamage GridCore::sizes(const uint32_t *slots, size_t n, int64_t *bounds) {
    ReadLock lock(mutex_);
    bounds[0] = 0;
    for (size_t i = 0; i < n; ++i) {
        size_t size;
        if (GridDamage found = size_of(slots ? slots[i] : i, size)) return found;
        bounds[i + 1] = bounds[i] + int64_t(size);
    }
    return {};
}

GridDamage GridCore::fill(const uint32_t *slots, size_t n, const int64_t *bounds, uint8_t *out, bool &stale) {
    ReadLock lock(mutex_);
    Scratch &gather = thread_gather();
    stale = false;
    for (size_t i = 0; i < n; ++i) {
        uint64_t slot = slots ? slots[i] : i;
        size_t size, room = size_t(bounds[i + 1] - bounds[i]);
        if (GridDamage found = size_of(slot, size)) return found;
        if (size != room) {
            stale = true;
            return {};
        }
        if (slot >= count_ || !this->slots()[slot].present) continue;
        GridSlot record = this->slots()[slot];
        if (!config_.lz4) {
            copy_out(record.page, uint64_t(record.block) * config_.block_bytes, out + bounds[i], room);
            continue;
        }
        ByteView bytes = stored(record, gather);
        if (!lz4_decompress(bytes.data + kSizePrefix, bytes.size - kSizePrefix, out + bounds[i], room))
            return damage(slot, "the value does not decompress");
    }
    return {};
}

void GridCore::present(const uint32_t *slots, size_t n, bool *out) {
    ReadLock lock(mutex_);
    for (size_t i = 0; i < n; ++i) {
        uint64_t slot = slots ? slots[i] : i;
        out[i] = slot < count_ && this->slots()[slot].present == 1;
    }
}

// --- writing -------------------------------------------------------------------

ByteView GridCore::encode(ByteView value, Scratch &scratch) const {
    if (!config_.lz4) return value;
    uint8_t *out = scratch.reserve(kSizePrefix + lz4_bound(value.size));
    auto size = uint32_t(value.size);
    std::memcpy(out, &size, kSizePrefix);
    return {out, kSizePrefix + lz4_compress(value.data, value.size, out + kSizePrefix)};
}

void GridCore::copy_in(BlockRun run, ByteView bytes) {
    uint64_t page = run.start / blocks_per_page_, offset = run.start % blocks_per_page_ * config_.block_bytes;
    while (bytes.size) {
        size_t part = size_t(std::min<uint64_t>(bytes.size, config_.page_bytes - offset));
        std::memcpy(pages_[page] + offset, bytes.data, part);
        uint64_t stop = (offset + part + config_.block_bytes - 1) / config_.block_bytes * config_.block_bytes;
        mark_pages(page, offset, stop);
        bytes = {bytes.data + part, bytes.size - part};
        ++page;
        offset = 0;
    }
}

void GridCore::mark_pages(uint64_t page, uint64_t start, uint64_t stop) {
    dirty_bytes_ += stop - start;
    if (!dirty_pages_.empty()) {
        PageRange &last = dirty_pages_.back();
        if (last.page == page && last.stop == start) {
            last.stop = stop;
            return;
        }
    }
    dirty_pages_.push_back({page, start, stop});
}

void GridCore::mark_slot(uint32_t slot) {
    uint64_t bit = uint64_t(1) << (slot % 64);
    if (dirty_slots_[slot / 64] & bit) return;
    dirty_slots_[slot / 64] |= bit;
    dirty_bytes_ += sizeof(GridSlot);
}

// Slots between the old and the new end may hold rests of a torn write; they become absent.
void GridCore::grow_count(uint32_t slot) {
    if (slot < count_) return;
    for (uint64_t i = count_; i <= slot; ++i) {
        if (slots()[i].present && i < slot) mark_slot(uint32_t(i));
        slots()[i] = {};
    }
    count_ = slot + 1;
    std::memcpy(tracker_, &count_, sizeof count_);
    dirty_count_ = true;
}

void GridCore::set_slot(uint32_t slot, const GridSlot &record) {
    uint32_t count_before = count_;
    grow_count(slot);
    GridSlot &at = slots()[slot];
    if (in_batch_) undo_.push_back({slot, at, count_before});
    if (at.present) freed_.push_back(run_of(at));
    live_ += uint64_t(record.present) - at.present;
    at = record;
    mark_slot(slot);
}

PutResult GridCore::put(const uint32_t *slots, const ByteView *values, size_t from, size_t n) {
    WriteLock lock(mutex_);
    encode_scratch_.trim(kKeepScratch);
    for (size_t i = from; i < n; ++i) {
        if (!values[i].data) {
            if (slots[i] < count_ && this->slots()[slots[i]].present) set_slot(slots[i], {});
            continue;
        }
        if (values[i].size > kMaxLength) return {i, PutStatus::too_large, 0};
        ByteView bytes = encode(values[i], encode_scratch_);
        if (bytes.size > kMaxLength) return {i, PutStatus::too_large, 0};
        uint64_t count = (bytes.size + config_.block_bytes - 1) / config_.block_bytes;
        uint64_t start = space_.allocate(count);
        if (start == BlockSpace::kNone) return {i, PutStatus::needs_pages, space_.pages_missing(count)};
        copy_in({start, count}, bytes);
        set_slot(slots[i], {1, uint32_t(start / blocks_per_page_), uint32_t(start % blocks_per_page_),
                            uint32_t(bytes.size)});
    }
    return {n, PutStatus::done, 0};
}

void GridCore::remove(const uint32_t *slots, size_t n) {
    WriteLock lock(mutex_);
    for (size_t i = 0; i < n; ++i)
        if (slots[i] < count_ && this->slots()[slots[i]].present) set_slot(slots[i], {});
}

void GridCore::begin() {
    WriteLock lock(mutex_);
    in_batch_ = true;
    undo_.clear();
    undo_freed_ = freed_.size();
}

void GridCore::commit() {
    WriteLock lock(mutex_);
    in_batch_ = false;
    undo_ = {};
}

void GridCore::rollback() {
    WriteLock lock(mutex_);
    std::vector<BlockRun> unused;  // nothing durable refers to these blocks
    for (size_t i = undo_.size(); i-- > 0;) {
        GridSlot &at = slots()[undo_[i].slot];
        if (at.present) unused.push_back(run_of(at));
        live_ += uint64_t(undo_[i].before.present) - at.present;
        at = undo_[i].before;
        count_ = undo_[i].count;
    }
    std::memcpy(tracker_, &count_, sizeof count_);
    space_.release(unused, unused.size());
    freed_.resize(undo_freed_);
    in_batch_ = false;
    undo_ = {};
}

// --- flushing ------------------------------------------------------------------

bool GridCore::dirty() const {
    ReadLock lock(mutex_);
    return dirty_bytes_ || dirty_count_ || space_.dirty() || !freed_.empty();
}

std::vector<BlockRun> GridCore::changed_slots() const {
    std::vector<BlockRun> ranges;
    uint64_t start = 0, end = 0;  // the range of slots that is being put together
    auto emit = [&] {
        if (end > start)
            ranges.push_back({sizeof(uint32_t) + start * sizeof(GridSlot), (end - start) * sizeof(GridSlot)});
    };
    if (dirty_count_) ranges.push_back({0, sizeof(uint32_t)});
    for (uint64_t word = 0; word < dirty_slots_.size(); ++word) {
        for (uint64_t bits = dirty_slots_[word]; bits; bits &= bits - 1) {
            uint64_t slot = word * 64 + uint64_t(std::countr_zero(bits));
            if (end == start || slot > end + kSlotGap) {
                emit();
                start = slot;
            }
            end = slot + 1;
        }
    }
    emit();
    return ranges;
}

std::vector<BlockRun> GridCore::tracker_changes() const {
    ReadLock lock(mutex_);
    return changed_slots();
}

GridImage GridCore::collect() {
    WriteLock lock(mutex_);
    freed_in_image_ = freed_.size();
    return {dirty_pages_, changed_slots(), space_.image(freed_, freed_in_image_)};
}

void GridCore::flushed() {
    WriteLock lock(mutex_);
    space_.release(freed_, freed_in_image_);
    freed_.erase(freed_.begin(), freed_.begin() + ptrdiff_t(freed_in_image_));
    freed_in_image_ = 0;
    space_.mark_clean();
    std::fill(dirty_slots_.begin(), dirty_slots_.end(), 0);
    dirty_pages_.clear();
    dirty_count_ = false;
    dirty_bytes_ = 0;
}

}  // namespace edgeshard
