// External ids between Python (int, uuid.UUID) and C++.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <vector>

#include "storage/id_map.hpp"

namespace edgeshard::bind {

namespace nb = nanobind;

template <typename T>
using Input = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The id behind an int (0..2^64-1) or UUID. Throws TypeError, or ValueError for an int out of range.
PointId to_point_id(nb::handle value);

// A new int or uuid.UUID.
nb::object from_point_id(const PointId &id);

// The ids in a uint64 array or a sequence of int and UUID. No partial effects: throws before anything is returned.
std::vector<PointId> to_point_ids(nb::handle values);

}  // namespace edgeshard::bind
