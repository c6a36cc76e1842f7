#include "storage/gridstore_space.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace edgeshard {
namespace {

constexpr uint64_t kGroup = 64;  // regions summarised by one entry of best_
using Words = std::vector<uint64_t>;

// First position in [at, end) whose bit differs from `skip` (0 or ~0 for a clear or set bit), else end.
uint64_t skip_bits(const Words &words, uint64_t at, uint64_t end, uint64_t skip) {
    while (at < end) {
        uint64_t rest = (words[at / 64] ^ skip) >> (at % 64);
        if (rest) return std::min(end, at + uint64_t(std::countr_zero(rest)));
        at = (at / 64 + 1) * 64;
    }
    return end;
}

uint64_t next_used(const Words &words, uint64_t at, uint64_t end) { return skip_bits(words, at, end, 0); }
uint64_t next_free(const Words &words, uint64_t at, uint64_t end) { return skip_bits(words, at, end, ~uint64_t(0)); }

// Calls change(word, mask) for every word the run touches.
template <class Change>
void for_words(BlockRun run, Change change) {
    uint64_t at = run.start, end = run.start + run.count;
    while (at < end) {
        uint64_t stop = std::min(end, (at / 64 + 1) * 64), width = stop - at;
        uint64_t mask = (width == 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1) << (at % 64);
        change(at / 64, mask);
        at = stop;
    }
}

RegionGaps measure(const Words &words, uint64_t start, uint64_t end) {
    uint64_t longest = 0, leading = next_used(words, start, end) - start, trailing = 0;
    for (uint64_t at = start; at < end;) {
        uint64_t free = next_free(words, at, end);
        uint64_t used = next_used(words, free, end);
        longest = std::max(longest, used - free);
        if (used == end) trailing = used - free;
        at = used;
    }
    return {uint16_t(longest), uint16_t(leading), uint16_t(trailing)};
}

void append_part(std::vector<ImagePart> &parts, uint64_t offset, const uint8_t *bytes, uint64_t size) {
    if (parts.empty() || parts.back().offset + parts.back().bytes.size() != offset) parts.push_back({offset, {}});
    parts.back().bytes.insert(parts.back().bytes.end(), bytes, bytes + size);
}

}  // namespace

void BlockSpace::add_page() {
    uint64_t first = regions(), more = blocks_per_page_ / region_blocks_;
    auto width = uint16_t(region_blocks_);
    blocks_ += blocks_per_page_;
    words_.resize((blocks_ + 63) / 64);
    gaps_.resize(first + more, {width, width, width});
    best_.resize((regions() + kGroup - 1) / kGroup);
    dirty_.resize(regions());
    for (uint64_t region = first; region < regions(); ++region) {
        best_[region / kGroup] = width;
        set_dirty(region);
    }
}

bool BlockSpace::claim(BlockRun run) {
    bool free = true;
    for_words(run, [&](uint64_t word, uint64_t mask) {
        free &= !(words_[word] & mask);
        words_[word] |= mask;
    });
    return free;
}

void BlockSpace::finish_claims(const uint8_t *bitmask, size_t bitmask_size, const uint8_t *gaps, size_t gaps_size) {
    const auto *own = reinterpret_cast<const uint8_t *>(words_.data());
    mark_clean();
    for (uint64_t region = 0; region < regions(); ++region) {
        update_region(region);
        uint64_t start = region_start(region) / 8, end = (region_start(region + 1) + 7) / 8;
        bool same = end <= bitmask_size && !std::memcmp(own + start, bitmask + start, end - start) &&
                    (region + 1) * sizeof(RegionGaps) <= gaps_size &&
                    !std::memcmp(&gaps_[region], gaps + region * sizeof(RegionGaps), sizeof(RegionGaps));
        if (!same) set_dirty(region);
    }
}

uint64_t BlockSpace::take(uint64_t count) {
    BlockRun run{run_, count};
    for_words(run, [&](uint64_t word, uint64_t mask) { words_[word] |= mask; });
    mark_dirty(run);
    run_ += count;
    return run.start;
}

// Moves on to the next free run of `count` blocks in the open region.
bool BlockSpace::advance(uint64_t count) {
    uint64_t end = region_start(open_region_ + 1);
    while (run_end_ < end) {
        run_ = next_free(words_, run_end_, end);
        run_end_ = next_used(words_, run_, end);
        if (run_end_ - run_ >= count) return true;
    }
    return false;
}

void BlockSpace::leave_region() {
    if (open_region_ == kNone) return;
    update_region(open_region_);
    open_region_ = kNone;
    run_ = run_end_ = 0;
}

uint64_t BlockSpace::allocate(uint64_t count) {
    if (count == 0) return 0;
    if (open_region_ != kNone && count <= region_blocks_) {
        if (run_end_ - run_ >= count || advance(count)) return take(count);
    }
    leave_region();
    uint64_t region = count <= region_blocks_ ? first_region(count) : kNone;
    if (region != kNone) {
        open_region_ = region;
        run_ = run_end_ = region_start(region);
        if (advance(count)) return take(count);
        leave_region();
    }
    uint64_t start = across_regions(count);
    if (start == kNone) return kNone;
    claim({start, count});
    update_run({start, count});
    return start;
}

void BlockSpace::release(const std::vector<BlockRun> &runs, size_t count) {
    leave_region();
    std::vector<bool> touched(regions());
    for (size_t i = 0; i < count; ++i) {
        if (!runs[i].count) continue;
        for_words(runs[i], [&](uint64_t word, uint64_t mask) { words_[word] &= ~mask; });
        mark_dirty(runs[i]);
        uint64_t last = (runs[i].start + runs[i].count - 1) / region_blocks_;
        for (uint64_t region = runs[i].start / region_blocks_; region <= last; ++region) touched[region] = true;
    }
    for (uint64_t region = 0; region < regions(); ++region)
        if (touched[region]) update_region(region);
}

uint64_t BlockSpace::pages_missing(uint64_t count) {
    leave_region();
    uint64_t tail = 0;
    for (uint64_t region = regions(); region-- > 0;) {
        tail += gaps_[region].trailing;
        if (gaps_[region].trailing != region_blocks_) break;
    }
    return count <= tail ? 0 : (count - tail + blocks_per_page_ - 1) / blocks_per_page_;
}

uint64_t BlockSpace::first_region(uint64_t count) const {
    for (uint64_t group = 0; group < best_.size(); ++group) {
        if (best_[group] < count) continue;
        uint64_t end = std::min((group + 1) * kGroup, regions());
        for (uint64_t region = group * kGroup; region < end; ++region)
            if (gaps_[region].longest >= count) return region;
    }
    return kNone;
}

// The lowest free run of `count` blocks that crosses the end of a region.
uint64_t BlockSpace::across_regions(uint64_t count) const {
    uint64_t carried = 0;  // free blocks right before the region
    for (uint64_t region = 0; region < regions(); ++region) {
        const RegionGaps &gaps = gaps_[region];
        if (carried + gaps.leading >= count) return region_start(region) - carried;
        carried = gaps.longest == region_blocks_ ? carried + region_blocks_ : gaps.trailing;
    }
    return kNone;
}

void BlockSpace::update_region(uint64_t region) {
    gaps_[region] = measure(words_, region_start(region), region_start(region + 1));
    uint64_t group = region / kGroup, end = std::min((group + 1) * kGroup, regions());
    uint16_t best = 0;
    for (uint64_t i = group * kGroup; i < end; ++i) best = std::max(best, gaps_[i].longest);
    best_[group] = best;
}

void BlockSpace::update_run(BlockRun run) {
    mark_dirty(run);
    for (uint64_t region = run.start / region_blocks_; region_start(region) < run.start + run.count; ++region)
        update_region(region);
}

void BlockSpace::mark_dirty(BlockRun run) {
    for (uint64_t region = run.start / region_blocks_; region_start(region) < run.start + run.count; ++region)
        set_dirty(region);
}

void BlockSpace::set_dirty(uint64_t region) {
    dirty_count_ += !dirty_[region];
    dirty_[region] = true;
}

SpaceImage BlockSpace::image(const std::vector<BlockRun> &freed, size_t freed_count) const {
    SpaceImage image;
    if (!dirty() && !freed_count) return image;
    Words words = words_;
    std::vector<bool> changed = dirty_;
    for (size_t i = 0; i < freed_count; ++i) {
        if (!freed[i].count) continue;
        for_words(freed[i], [&](uint64_t word, uint64_t mask) { words[word] &= ~mask; });
        uint64_t last = (freed[i].start + freed[i].count - 1) / region_blocks_;
        for (uint64_t region = freed[i].start / region_blocks_; region <= last; ++region) changed[region] = true;
    }
    const auto *bytes = reinterpret_cast<const uint8_t *>(words.data());
    uint64_t written = 0;  // regions need not start at a whole byte; the shared byte is written once
    for (uint64_t region = 0; region < regions(); ++region) {
        if (!changed[region]) continue;
        uint64_t start = std::max(written, region_start(region) / 8), end = (region_start(region + 1) + 7) / 8;
        if (start < end) append_part(image.bitmask, start, bytes + start, end - start);
        written = std::max(written, end);
        RegionGaps gaps = measure(words, region_start(region), region_start(region + 1));
        append_part(image.gaps, region * sizeof gaps, reinterpret_cast<const uint8_t *>(&gaps), sizeof gaps);
    }
    return image;
}

void BlockSpace::mark_clean() {
    dirty_.assign(dirty_.size(), false);
    dirty_count_ = 0;
}

}  // namespace edgeshard
