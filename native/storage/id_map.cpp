#include "storage/id_map.hpp"

#include <algorithm>
#include <bit>
#include <random>

namespace edgeshard {

namespace {

// Finaliser of splitmix64 (Steele, Lea, Flood 2014): ids are often consecutive, low bits must depend on all bits.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

uint64_t random_number() {
  std::random_device source;
  return uint64_t{source()} << 32 | source();
}

}  // namespace

// Secret, or a file could be made whose ids all have the same slot, which takes quadratic time.
uint64_t IdMap::process_seed() {
  static const uint64_t seed = random_number();
  return seed;
}

uint64_t IdMap::hash(const PointId &id) const {
  const uint64_t low = mix(id.lo ^ seed_);
  return id.is_uuid ? mix(low ^ id.hi) : low;
}

PointId IdMap::id_at(uint32_t offset) const {
  const bool is_uuid = is_uuid_state(state_[offset]);
  return {is_uuid ? hi_[offset] : 0, lo_[offset], is_uuid};
}

void IdMap::reserve(size_t points) {
  lo_.reserve(points);
  state_.reserve(points);
  const size_t slots = std::bit_ceil(std::max<size_t>(16, points + points / 2));
  if (slots > slots_.size()) rehash(slots);
}

void IdMap::rehash(size_t slots) {
  slots_.assign(slots, kNone);
  mask_ = slots - 1;
  for (uint32_t offset = 0; offset < state_.size(); ++offset)
    if (is_live_state(state_[offset])) insert_slot(offset);
}

void IdMap::insert_slot(uint32_t offset) {
  size_t at = hash(id_at(offset)) & mask_;
  while (slots_[at] != kNone) at = (at + 1) & mask_;
  slots_[at] = offset;
}

void IdMap::erase_slot(uint32_t offset) {
  size_t hole = hash(id_at(offset)) & mask_;
  while (slots_[hole] != offset) hole = (hole + 1) & mask_;
  for (size_t next = (hole + 1) & mask_; slots_[next] != kNone; next = (next + 1) & mask_) {
    const size_t home = hash(id_at(slots_[next])) & mask_;
    if (((next - home) & mask_) >= ((next - hole) & mask_)) {  // its probe sequence passes the hole
      slots_[hole] = slots_[next];
      hole = next;
    }
  }
  slots_[hole] = kNone;
}

uint32_t IdMap::find(const PointId &id) const {
  if (slots_.empty()) return kNone;
  for (size_t at = hash(id) & mask_;; at = (at + 1) & mask_) {
    const uint32_t offset = slots_[at];
    if (offset == kNone || (lo_[offset] == id.lo && id_at(offset) == id)) return offset;
  }
}

void IdMap::extend(uint32_t count) {
  if (count <= state_.size()) return;
  lo_.resize(count, 0);
  if (!hi_.empty()) hi_.resize(count, 0);
  state_.resize(count, 0);
}

void IdMap::set_columns(const PointId &id, uint32_t offset) {
  extend(offset + 1);
  if (id.is_uuid && hi_.empty()) hi_.resize(state_.size(), 0);
  lo_[offset] = id.lo;
  if (!hi_.empty()) hi_[offset] = id.hi;
}

bool IdMap::link(const PointId &id, uint32_t offset) {
  const uint32_t before = find(id);
  if (before == offset) return false;
  if (before != kNone) unlink(before);
  if (is_live(offset)) unlink(offset);
  const bool reused = offset < sorted_below_;
  set_columns(id, offset);
  state_[offset] = id.is_uuid ? kUuid : kNumber;
  ++live_;
  if (size_t{live_} * 4 > slots_.size() * 3)
    rehash(std::bit_ceil(std::max<size_t>(16, size_t{live_} * 2)));
  else
    insert_slot(offset);
  if (reused) sorted_below_ = 0, sorted_.clear(), sorted_has_dead_ = false;
  return true;
}

void IdMap::link_dead(const PointId &id, uint32_t offset) {
  if (is_live(offset)) unlink(offset);
  set_columns(id, offset);
  state_[offset] = (id.is_uuid ? kUuid : kNumber) | kDead;
}

bool IdMap::unlink(uint32_t offset) {
  if (!is_live(offset)) return false;
  erase_slot(offset);
  state_[offset] |= kDead;
  --live_;
  if (offset < sorted_below_) sorted_has_dead_ = true;
  return true;
}

const std::vector<uint32_t> &IdMap::sorted() {
  if (sorted_has_dead_) {
    std::erase_if(sorted_, [this](uint32_t offset) { return !is_live(offset); });
    sorted_has_dead_ = false;
  }
  const size_t old = sorted_.size();
  sorted_.reserve(live_);
  bool ascending = true;
  for (; sorted_below_ < state_.size(); ++sorted_below_) {
    if (!is_live_state(state_[sorted_below_])) continue;
    if (sorted_.size() > old && !before(sorted_.back(), sorted_below_)) ascending = false;
    sorted_.push_back(sorted_below_);
  }
  const auto less = [this](uint32_t a, uint32_t b) { return before(a, b); };
  const auto middle = sorted_.begin() + static_cast<std::ptrdiff_t>(old);
  if (!ascending) std::sort(middle, sorted_.end(), less);
  if (old && middle != sorted_.end() && !before(sorted_[old - 1], *middle))
    std::inplace_merge(sorted_.begin(), middle, sorted_.end(), less);
  return sorted_;
}

}  // namespace edgeshard
