// Files of the id trackers whose records have no fixed length. All integers are little endian; the 16 bytes of a UUID
// are in text order. docs/format/id-tracker.md has a worked example.
//
//   log (mutable_id_tracker.mappings): records, replayed in order
//     1  u64 id      u32 offset    insert number   13 bytes
//     2  16 bytes    u32 offset    insert UUID     21
//     3  u64 id                    delete number    9
//     4  16 bytes                  delete UUID     17
//   table (id_tracker.mappings): u64 count, then per point
//     0  u64 id      u32 offset
//     1  16 bytes    u32 offset
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/id_map.hpp"

namespace edgeshard {

using ByteSpan = std::span<const uint8_t>;

// What reading a file came to: `reason` is null when all is well, else says what is wrong at byte `at`.
struct ParseStatus {
  const char *reason = nullptr;
  size_t at = 0;
};

void log_insert(std::vector<uint8_t> &log, const PointId &id, uint32_t offset);
void log_delete(std::vector<uint8_t> &log, const PointId &id);

// Replays a log into an empty map. `valid_bytes` is where the last complete record ends; a torn one is no error. `odd` is
// the first record that can be followed but that no tracker writes: offsets are handed out in turn, each once, and only
// to points that have none, and only points that have one are deleted.
ParseStatus replay_log(ByteSpan data, IdMap &map, size_t &valid_bytes, ParseStatus &odd);

// Reads a table into an empty map; bit i of `deleted` (least significant first) kills offset i.
ParseStatus read_table(ByteSpan data, ByteSpan deleted, IdMap &map);

// The table of `ids`, whose positions are their offsets.
std::vector<uint8_t> write_table(std::span<const PointId> ids);

// i2e/e2i of the disk form: binary search by id in the file. See docs/format/id-tracker.md for the layout.
class DiskIds {
 public:
  // Checks header and sizes; the span must outlive the object.
  ParseStatus open(ByteSpan e2i);
  uint64_t numbers() const { return numbers_; }
  uint64_t uuids() const { return uuids_; }
  // The offset stored for an id, else IdMap::kNone. Not yet compared with the number of points.
  uint32_t find(const PointId &id) const;
  // The offset at a position of both runs in a row: numbers ascending, then UUIDs.
  uint32_t offset_at(uint64_t position) const;

 private:
  template <size_t KeyBytes>
  uint32_t search(size_t table, size_t run, uint64_t count, uint64_t per_block, const PointId &id) const;

  ByteSpan data_;
  uint64_t numbers_ = 0, uuids_ = 0;
  uint32_t number_block_ = 1, uuid_block_ = 1;
  size_t number_table_ = 0, uuid_table_ = 0, number_run_ = 0, uuid_run_ = 0;
};

}  // namespace edgeshard
