#include "storage/id_log.hpp"

#include <algorithm>

#include "support/load.hpp"

namespace edgeshard {
namespace {

uint64_t load_big(const uint8_t *at) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | at[i];
  return value;
}

template <typename T>
void put(std::vector<uint8_t> &out, T value) {
  for (size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

void put_big(std::vector<uint8_t> &out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(value >> shift));
}

void put_id(std::vector<uint8_t> &out, const PointId &id) {
  if (id.is_uuid) {
    put_big(out, id.hi);
    put_big(out, id.lo);
  } else {
    put(out, id.lo);
  }
}

PointId text_order_id(const uint8_t *at, bool is_uuid) {
  if (is_uuid) return {load_big(at), load_big(at + 8), true};
  return {0, load<uint64_t>(at), false};
}

constexpr size_t kRecordBytes[] = {0, 13, 21, 9, 17};

// Offsets are handed out one by one, so a log of n inserts cannot mention one far above n. Leaving room for logs that
// lost records keeps a damaged offset from asking for gigabytes.
constexpr uint64_t offset_limit(uint64_t records) { return records * 16 + (1u << 20); }

}  // namespace

void log_insert(std::vector<uint8_t> &log, const PointId &id, uint32_t offset) {
  log.push_back(id.is_uuid ? 2 : 1);
  put_id(log, id);
  put(log, offset);
}

void log_delete(std::vector<uint8_t> &log, const PointId &id) {
  log.push_back(id.is_uuid ? 4 : 3);
  put_id(log, id);
}

ParseStatus replay_log(ByteSpan data, IdMap &map, size_t &valid_bytes, ParseStatus &odd) {
  size_t records = 0;
  const auto note = [&odd](const char *what, size_t at) {
    if (odd.reason == nullptr) odd = {what, at};
  };
  for (valid_bytes = 0; valid_bytes < data.size(); ++records) {
    const uint8_t tag = data[valid_bytes];
    if (tag < 1 || tag > 4) return {"unknown record type, expected 1 to 4", valid_bytes};
    if (valid_bytes + kRecordBytes[tag] > data.size()) break;
    valid_bytes += kRecordBytes[tag];
  }
  map.reserve(records);
  for (size_t at = 0; at < valid_bytes;) {
    const uint8_t tag = data[at];
    const bool is_uuid = tag == 2 || tag == 4;
    const PointId id = text_order_id(&data[at + 1], is_uuid);
    if (tag <= 2) {
      const uint32_t offset = load<uint32_t>(&data[at + (is_uuid ? 17 : 9)]);
      if (offset == IdMap::kNone || offset >= offset_limit(records))
        return {"offset far beyond the number of records", at};
      const uint32_t total = map.total(), live = map.live();
      const bool linked = map.link(id, offset);
      if (offset > total) note("a record leaves an offset out", at);
      if (linked && offset < total) note("a record gives an offset away again", at);
      if (linked && map.live() != live + 1) note("a record gives a point a second offset", at);
    } else if (const uint32_t offset = map.find(id); offset != IdMap::kNone) {
      map.unlink(offset);
    } else {
      note("a record deletes a point that is not there", at);
    }
    at += kRecordBytes[tag];
  }
  return {};
}

ParseStatus read_table(ByteSpan data, ByteSpan deleted, IdMap &map) {
  if (data.size() < 8) return {"shorter than its header", 0};
  const uint64_t count = load<uint64_t>(data.data());
  if (count > (data.size() - 8) / 13) return {"more records announced than the file can hold", 0};
  if (deleted.size() < (count + 7) / 8) return {"fewer deleted flags than points", 0};
  map.reserve(count);
  size_t at = 8;
  for (uint64_t i = 0; i < count; ++i) {
    if (at >= data.size()) return {"the file ends before its last record", at};
    const uint8_t tag = data[at];
    if (tag > 1) return {"unknown id type, expected 0 or 1", at};
    const size_t id_bytes = tag ? 16 : 8;
    if (data.size() - at < 1 + id_bytes + 4) return {"the file ends inside a record", at};
    const PointId id = text_order_id(&data[at + 1], tag == 1);
    const uint32_t offset = load<uint32_t>(&data[at + 1 + id_bytes]);
    if (offset >= count) return {"offset beyond the number of points", at};
    if (map.known(offset)) return {"two records for one offset", at};
    const bool dead = deleted[offset / 8] >> (offset % 8) & 1;
    if (dead) {
      map.link_dead(id, offset);
    } else {
      if (map.find(id) != IdMap::kNone) return {"two live points have the same id", at};
      map.link(id, offset);
    }
    at += 1 + id_bytes + 4;
  }
  map.extend(static_cast<uint32_t>(count));
  return {};
}

std::vector<uint8_t> write_table(std::span<const PointId> ids) {
  std::vector<uint8_t> out;
  out.reserve(8 + ids.size() * 21);
  put(out, static_cast<uint64_t>(ids.size()));
  for (size_t offset = 0; offset < ids.size(); ++offset) {
    out.push_back(ids[offset].is_uuid);
    put_id(out, ids[offset]);
    put(out, static_cast<uint32_t>(offset));
  }
  return out;
}

ParseStatus DiskIds::open(ByteSpan e2i) {
  constexpr size_t kHeader = 48;
  const auto align = [](uint64_t at) { return (at + 15) / 16 * 16; };
  if (e2i.size() < kHeader) return {"shorter than its header", 0};
  if (load<uint64_t>(e2i.data()) != 0x51445F4532490001ull) return {"not an e2i file (magic number)", 0};
  if (load<uint32_t>(&e2i[8]) != 2) return {"unknown version, expected 2", 8};
  numbers_ = load<uint64_t>(&e2i[16]);
  uuids_ = load<uint64_t>(&e2i[24]);
  number_block_ = load<uint32_t>(&e2i[32]);
  uuid_block_ = load<uint32_t>(&e2i[36]);
  if (numbers_ > e2i.size() / 12) return {"more numbers announced than the file can hold", 16};
  if (uuids_ > e2i.size() / 20) return {"more UUIDs announced than the file can hold", 24};
  if (number_block_ == 0 || uuid_block_ == 0) return {"a block of zero keys", 32};
  number_table_ = kHeader;
  uuid_table_ = align(number_table_ + 8 * ((numbers_ + number_block_ - 1) / number_block_));
  number_run_ = align(uuid_table_ + 16 * ((uuids_ + uuid_block_ - 1) / uuid_block_));
  uuid_run_ = align(number_run_ + 12 * numbers_);
  const size_t needed = uuids_ ? uuid_run_ + 20 * uuids_ : numbers_ ? number_run_ + 12 * numbers_ : kHeader;
  if (needed > e2i.size()) return {"the file is shorter than its counts say", e2i.size()};
  data_ = e2i;
  return {};
}

template <size_t KeyBytes>
uint32_t DiskIds::search(size_t table, size_t run, uint64_t count, uint64_t per_block, const PointId &id) const {
  const auto key_at = [&](size_t at) -> PointId {
    if constexpr (KeyBytes == 16) return {load<uint64_t>(&data_[at + 8]), load<uint64_t>(&data_[at]), true};
    return {0, load<uint64_t>(&data_[at]), false};
  };
  uint64_t low = 0, high = (count + per_block - 1) / per_block;  // the last block whose first key is <= id
  while (low < high) {
    const uint64_t middle = (low + high) / 2;
    if (id < key_at(table + KeyBytes * middle)) high = middle; else low = middle + 1;
  }
  if (low == 0) return IdMap::kNone;
  low = (low - 1) * per_block;
  high = std::min(low + per_block, count);
  while (low < high) {
    const uint64_t middle = (low + high) / 2;
    const size_t at = run + (KeyBytes + 4) * middle;
    const PointId key = key_at(at);
    if (key == id) return load<uint32_t>(&data_[at + KeyBytes]);
    if (id < key) high = middle; else low = middle + 1;
  }
  return IdMap::kNone;
}

uint32_t DiskIds::find(const PointId &id) const {
  return id.is_uuid ? search<16>(uuid_table_, uuid_run_, uuids_, uuid_block_, id)
                    : search<8>(number_table_, number_run_, numbers_, number_block_, id);
}

uint32_t DiskIds::offset_at(uint64_t position) const {
  if (position < numbers_) return load<uint32_t>(&data_[number_run_ + 12 * position + 8]);
  return load<uint32_t>(&data_[uuid_run_ + 20 * (position - numbers_) + 16]);
}

}  // namespace edgeshard
