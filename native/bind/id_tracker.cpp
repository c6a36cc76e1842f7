// Python faces of native/storage/id_map and id_log. Ids are converted before a lock is taken and the GIL is never
// needed while one is held, so readers may run beside the one writer.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <mutex>
#include <optional>
#include <shared_mutex>
#include <tuple>

#include "bind/arrays.hpp"
#include "bind/gil.hpp"
#include "bind/owned.hpp"
#include "bind/point_id.hpp"
#include "bind/register.hpp"
#include "storage/id_log.hpp"

namespace edgeshard::bind {
namespace {

using Bytes = Input<uint8_t>;
using Mask = Input<bool>;
using Parsed = std::tuple<std::optional<const char *>, size_t>;

ByteSpan span_of(const Bytes &bytes) { return {bytes.data(), bytes.size()}; }

nb::list list_of(const std::vector<PointId> &ids) {
  nb::list out = nb::steal<nb::list>(PyList_New(static_cast<Py_ssize_t>(ids.size())));
  for (size_t i = 0; i < ids.size(); ++i)
    PyList_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), from_point_id(ids[i]).release().ptr());
  return out;
}

class LockedIdMap {
 public:
  explicit LockedIdMap(bool keep_log) : keep_log_(keep_log) {}

  uint32_t insert(nb::handle values) {
    const std::vector<PointId> ids = to_point_ids(values);
    edgeshard::GilRelease release;
    std::unique_lock lock(mutex_);
    const uint32_t first = room_for(ids.size());
    if (ids.size() > 64) map_.reserve(map_.total() + ids.size());
    for (const PointId &id : ids) insert_locked(id);
    return first;
  }

  uint32_t insert_one(nb::handle value) {
    const PointId id = to_point_id(value);
    std::unique_lock lock(mutex_);
    const uint32_t offset = room_for(1);
    insert_locked(id);
    return offset;
  }

  std::optional<uint32_t> find(nb::handle value) const {
    const PointId id = to_point_id(value);
    std::shared_lock lock(mutex_);
    const uint32_t offset = map_.find(id);
    return offset == IdMap::kNone ? std::nullopt : std::optional(offset);
  }

  nb::object find_many(nb::handle values) const {
    const std::vector<PointId> ids = to_point_ids(values);
    std::vector<int64_t> out(ids.size());
    {
      edgeshard::GilRelease release;
      std::shared_lock lock(mutex_);
      for (size_t i = 0; i < ids.size(); ++i) {
        const uint32_t offset = map_.find(ids[i]);
        out[i] = offset == IdMap::kNone ? -1 : static_cast<int64_t>(offset);
      }
    }
    return owned_array(std::move(out));
  }

  uint32_t remove(Input<uint32_t> offsets) {
    edgeshard::GilRelease release;
    std::unique_lock lock(mutex_);
    uint32_t removed = 0;
    for (size_t i = 0; i < offsets.size(); ++i) {
      const uint32_t offset = offsets.data()[i];
      if (!map_.is_live(offset)) continue;
      if (keep_log_) log_delete(log_, map_.id_at(offset));
      removed += map_.unlink(offset);
    }
    return removed;
  }

  nb::object id_at(uint32_t offset) const {
    PointId id;
    {
      std::shared_lock lock(mutex_);
      if (!map_.known(offset)) throw nb::index_error("no point ever had this offset");
      id = map_.id_at(offset);
    }
    return from_point_id(id);
  }

  nb::list ids_of(Input<uint32_t> offsets) const {
    std::vector<PointId> ids(offsets.size());
    {
      std::shared_lock lock(mutex_);
      for (size_t i = 0; i < offsets.size(); ++i) {
        if (!map_.known(offsets.data()[i])) throw nb::index_error("no point ever had this offset");
        ids[i] = map_.id_at(offsets.data()[i]);
      }
    }
    return list_of(ids);
  }

  // (n,) uint64, or None if one of them is a UUID.
  nb::object numbers_of(Input<uint32_t> offsets) const {
    auto numbers = edgeshard::new_array<uint64_t>({offsets.size()});
    std::shared_lock lock(mutex_);
    for (size_t i = 0; i < offsets.size(); ++i) {
      if (!map_.known(offsets.data()[i])) throw nb::index_error("no point ever had this offset");
      const PointId id = map_.id_at(offsets.data()[i]);
      if (id.is_uuid) return nb::none();
      numbers.data[i] = id.lo;
    }
    return numbers.array;
  }

  // (lo (n,) u64, hi (n,) u64, is_uuid (n,) bool) of the ids at some offsets.
  nb::tuple parts_of(Input<uint32_t> offsets) const {
    const size_t n = offsets.size();
    std::vector<uint64_t> lo(n), hi(n);
    std::vector<uint8_t> is_uuid(n);
    {
      edgeshard::GilRelease release;
      std::shared_lock lock(mutex_);
      for (size_t i = 0; i < n; ++i) {
        if (!map_.known(offsets.data()[i])) throw std::out_of_range("no point ever had this offset");
        const PointId id = map_.id_at(offsets.data()[i]);
        lo[i] = id.lo, hi[i] = id.hi, is_uuid[i] = id.is_uuid;
      }
    }
    return nb::make_tuple(owned_array(std::move(lo)), owned_array(std::move(hi)), owned_mask(std::move(is_uuid)));
  }

  void extend(uint32_t count) {
    std::unique_lock lock(mutex_);
    map_.extend(count);
  }

  uint32_t total() const {
    std::shared_lock lock(mutex_);
    return map_.total();
  }

  uint32_t live() const {
    std::shared_lock lock(mutex_);
    return map_.live();
  }

  nb::object deleted_mask() const {
    std::vector<uint8_t> out;
    {
      std::shared_lock lock(mutex_);
      out.reserve(map_.total());
      for (const uint8_t state : map_.state()) out.push_back(!IdMap::is_live_state(state));
    }
    return owned_mask(std::move(out));
  }

  nb::object sorted_offsets() {
    std::vector<uint32_t> out;
    {
      edgeshard::GilRelease release;
      std::unique_lock lock(mutex_);
      out = map_.sorted();
    }
    return owned_array(std::move(out));
  }

  nb::tuple arrays() const {
    std::vector<uint64_t> lo, hi;
    std::vector<uint8_t> is_uuid;
    {
      std::shared_lock lock(mutex_);
      lo = map_.lo();
      hi = map_.hi();
      hi.resize(lo.size(), 0);
      is_uuid.reserve(lo.size());
      for (const uint8_t state : map_.state()) is_uuid.push_back(IdMap::is_uuid_state(state));
    }
    return nb::make_tuple(owned_array(std::move(lo)), owned_array(std::move(hi)), owned_mask(std::move(is_uuid)));
  }

  std::tuple<std::optional<const char *>, size_t, size_t, std::optional<const char *>, size_t> load_log(Bytes data) {
    size_t valid_bytes = 0;
    ParseStatus odd;
    edgeshard::GilRelease release;
    std::unique_lock lock(mutex_);
    const ParseStatus status = replay_log(span_of(data), map_, valid_bytes, odd);
    return {reason_of(status), status.at, valid_bytes, reason_of(odd), odd.at};
  }

  Parsed load_table(Bytes data, Bytes deleted) {
    edgeshard::GilRelease release;
    std::unique_lock lock(mutex_);
    const ParseStatus status = read_table(span_of(data), span_of(deleted), map_);
    return {reason_of(status), status.at};
  }

  nb::bytes pending() const {
    std::shared_lock lock(mutex_);
    return nb::bytes(reinterpret_cast<const char *>(log_.data()), log_.size());
  }

  size_t pending_bytes() const {
    std::shared_lock lock(mutex_);
    return log_.size();
  }

  void drop_pending(size_t bytes) {
    std::unique_lock lock(mutex_);
    log_.erase(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(std::min(bytes, log_.size())));
  }

  static std::optional<const char *> reason_of(const ParseStatus &status) {
    return status.reason ? std::optional(status.reason) : std::nullopt;
  }

 private:
  uint32_t room_for(size_t count) const {
    if (count >= IdMap::kNone - map_.total()) throw std::length_error("a segment holds at most 2**32 - 1 points");
    return map_.total();
  }

  void insert_locked(const PointId &id) {
    const uint32_t offset = map_.total();
    map_.link(id, offset);
    if (keep_log_) log_insert(log_, id, offset);
  }

  mutable std::shared_mutex mutex_;
  IdMap map_;
  std::vector<uint8_t> log_;
  const bool keep_log_;
};

// The files are mapped by Python; the arrays kept here keep the mappings alive.
class DiskIdMap {
 public:
  DiskIdMap(Bytes e2i, Bytes i2e_keys, Mask is_uuid) : e2i_(e2i), i2e_(i2e_keys), is_uuid_(is_uuid) {
    status_ = ids_.open(span_of(e2i_));
    if (!status_.reason && (i2e_.size() != 16 * is_uuid_.size() ||
                            ids_.numbers() + ids_.uuids() > is_uuid_.size()))
      status_ = {"more ids than the segment has points", 16};
  }

  Parsed status() const { return {LockedIdMap::reason_of(status_), status_.at}; }

  // -1: not there; -2: the two files contradict each other.
  int64_t find(nb::handle value) const { return find_id(to_point_id(value)); }

  nb::object find_many(nb::handle values) const {
    const std::vector<PointId> ids = to_point_ids(values);
    std::vector<int64_t> out(ids.size());
    {
      edgeshard::GilRelease release;
      for (size_t i = 0; i < ids.size(); ++i) out[i] = find_id(ids[i]);
    }
    return owned_array(std::move(out));
  }

  nb::object sorted_offsets() const {
    std::vector<uint32_t> out(ids_.numbers() + ids_.uuids());
    for (size_t i = 0; i < out.size(); ++i) out[i] = ids_.offset_at(i);
    return owned_array(std::move(out));
  }

 private:
  int64_t find_id(const PointId &id) const {
    const uint32_t offset = ids_.find(id);
    if (offset == IdMap::kNone) return -1;
    if (offset >= is_uuid_.size() || is_uuid_.data()[offset] != id.is_uuid) return -2;
    uint64_t halves[2];
    for (int half = 0; half < 2; ++half) {
      halves[half] = 0;
      for (int i = 7; i >= 0; --i) halves[half] = halves[half] << 8 | i2e_.data()[16 * size_t{offset} + 8 * half + i];
    }
    return halves[0] == id.lo && halves[1] == id.hi ? static_cast<int64_t>(offset) : -2;
  }

  Bytes e2i_, i2e_;
  Mask is_uuid_;
  DiskIds ids_;
  ParseStatus status_;
};

std::vector<PointId> from_columns(Input<uint64_t> lo, Input<uint64_t> hi, Mask is_uuid) {
  if (lo.size() != hi.size() || lo.size() != is_uuid.size()) throw nb::value_error("id columns of different lengths");
  std::vector<PointId> ids(lo.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const bool uuid = is_uuid.data()[i];
    ids[i] = {uuid ? hi.data()[i] : 0, lo.data()[i], uuid};
  }
  return ids;
}

bool are_numbers(nb::list ids) {
  for (nb::handle id : ids) {
    if (!PyLong_CheckExact(id.ptr())) return false;
    if (PyLong_AsUnsignedLongLong(id.ptr()) == UINT64_MAX && PyErr_Occurred()) {
      PyErr_Clear();
      return false;
    }
  }
  return true;
}

nb::list make_ids(Input<uint64_t> lo, Input<uint64_t> hi, Mask is_uuid) {
  return list_of(from_columns(lo, hi, is_uuid));
}

nb::tuple parse_ids(nb::handle values) {
  const std::vector<PointId> ids = to_point_ids(values);
  std::vector<uint64_t> lo(ids.size()), hi(ids.size());
  std::vector<uint8_t> is_uuid(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) lo[i] = ids[i].lo, hi[i] = ids[i].hi, is_uuid[i] = ids[i].is_uuid;
  return nb::make_tuple(owned_array(std::move(lo)), owned_array(std::move(hi)), owned_mask(std::move(is_uuid)));
}

nb::object encode_id_table(Input<uint64_t> lo, Input<uint64_t> hi, Mask is_uuid) {
  return owned_array(write_table(from_columns(lo, hi, is_uuid)));
}

}  // namespace
}  // namespace edgeshard::bind

void register_id_tracker(nb::module_ &m) {
  using namespace edgeshard::bind;
  nb::class_<LockedIdMap>(m, "IdMap")
      .def(nb::init<bool>(), nb::kw_only(), nb::arg("keep_log") = false)
      .def("insert", &LockedIdMap::insert)
      .def("insert_one", &LockedIdMap::insert_one)
      .def("find", &LockedIdMap::find)
      .def("find_many", &LockedIdMap::find_many)
      .def("remove", &LockedIdMap::remove)
      .def("id_at", &LockedIdMap::id_at)
      .def("ids_of", &LockedIdMap::ids_of)
      .def("numbers_of", &LockedIdMap::numbers_of)
      .def("parts_of", &LockedIdMap::parts_of)
      .def("extend", &LockedIdMap::extend)
      .def_prop_ro("total", &LockedIdMap::total)
      .def_prop_ro("live", &LockedIdMap::live)
      .def("deleted_mask", &LockedIdMap::deleted_mask)
      .def("sorted_offsets", &LockedIdMap::sorted_offsets)
      .def("arrays", &LockedIdMap::arrays)
      .def("load_log", &LockedIdMap::load_log)
      .def("load_table", &LockedIdMap::load_table)
      .def("pending", &LockedIdMap::pending)
      .def_prop_ro("pending_bytes", &LockedIdMap::pending_bytes)
      .def("drop_pending", &LockedIdMap::drop_pending);
  nb::class_<DiskIdMap>(m, "DiskIdMap")
      .def(nb::init<Bytes, Bytes, Mask>())
      .def_prop_ro("status", &DiskIdMap::status)
      .def("find", &DiskIdMap::find)
      .def("find_many", &DiskIdMap::find_many)
      .def("sorted_offsets", &DiskIdMap::sorted_offsets);
  m.def("are_numbers", &are_numbers);
  m.def("make_ids", &make_ids);
  m.def("parse_ids", &parse_ids);
  m.def("encode_id_table", &encode_id_table);
}
