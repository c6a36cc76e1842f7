// The two-way map between external ids (u64 numbers, UUIDs) and offsets of one segment.
//
// By offset: two u64 columns (the high one only once a UUID was seen) and one state byte. By id: an open-addressing
// table of u32 offsets with linear probing and backward-shift deletion (Knuth, TAOCP 6.4 R), which compares against
// the columns, so a million numbers take about 17 MB. Not thread safe; the binding locks.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgeshard {

// A UUID is the 128-bit integer of its 16 bytes in text order (big endian): hi is the first half.
struct PointId {
  uint64_t hi = 0;
  uint64_t lo = 0;
  bool is_uuid = false;

  bool operator==(const PointId &) const = default;

  // The order of results and of optimised segments: numbers ascending, then UUIDs by bytes.
  bool operator<(const PointId &other) const {
    if (is_uuid != other.is_uuid) return other.is_uuid;
    return hi != other.hi ? hi < other.hi : lo < other.lo;
  }
};

class IdMap {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFFu;

  uint32_t total() const { return static_cast<uint32_t>(state_.size()); }
  uint32_t live() const { return live_; }
  void reserve(size_t points);

  // The offset of a live id, else kNone.
  uint32_t find(const PointId &id) const;
  // Links `id` to `offset`. An earlier offset of the id, and an earlier id of the offset, die. Returns false and
  // changes nothing when the id is at that offset already.
  bool link(const PointId &id, uint32_t offset);
  // Like link() but only records which id a deleted offset had.
  void link_dead(const PointId &id, uint32_t offset);
  // Kills an offset; false if it was dead already or never used.
  bool unlink(uint32_t offset);
  // Makes sure that total() is at least `count`; the new offsets are dead.
  void extend(uint32_t count);

  bool known(uint32_t offset) const { return offset < state_.size() && (state_[offset] & kKind) != 0; }
  bool is_live(uint32_t offset) const { return offset < state_.size() && is_live_state(state_[offset]); }
  // The id last linked to an offset for which known() holds.
  PointId id_at(uint32_t offset) const;

  const std::vector<uint64_t> &lo() const { return lo_; }
  const std::vector<uint64_t> &hi() const { return hi_; }  // empty while there is no UUID
  const std::vector<uint8_t> &state() const { return state_; }
  static bool is_live_state(uint8_t state) { return state == kNumber || state == kUuid; }
  static bool is_uuid_state(uint8_t state) { return (state & kKind) == kUuid; }

  // Live offsets in id order. Kept between calls: deletions filter it, new offsets are sorted and merged in.
  const std::vector<uint32_t> &sorted();

 private:
  static constexpr uint8_t kNumber = 1, kUuid = 2, kKind = 3, kDead = 4;

  void set_columns(const PointId &id, uint32_t offset);
  void insert_slot(uint32_t offset);
  void erase_slot(uint32_t offset);
  void rehash(size_t slots);
  static uint64_t process_seed();
  uint64_t hash(const PointId &id) const;
  bool before(uint32_t a, uint32_t b) const { return id_at(a) < id_at(b); }

  uint64_t seed_ = process_seed();
  std::vector<uint64_t> lo_, hi_;
  std::vector<uint8_t> state_;
  std::vector<uint32_t> slots_;
  size_t mask_ = 0;
  uint32_t live_ = 0;

  std::vector<uint32_t> sorted_;
  uint32_t sorted_below_ = 0;   // offsets from here on are not in sorted_ yet
  bool sorted_has_dead_ = false;
};

}  // namespace edgeshard
