// Sets of points as offsets and as masks, for filters.
#include <algorithm>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/register.hpp"
#include "kernels/rows.hpp"

namespace {

using edgeshard::Array;

// (n,) uint32, ascending: where a mask is set.
nb::object mask_offsets(nb::object mask) {
  const Array m(mask, "mask", "?", "bool", 1);
  const size_t n = m.shape(0);
  if (n > UINT32_MAX) throw nb::value_error("mask: more than 2^32 - 1 entries");
  std::vector<uint32_t> chosen(n + 1);
  const size_t count = edgeshard::choose_masked(m.data<uint8_t>(), n, 0, chosen.data());
  auto out = edgeshard::new_array<uint32_t>({count});
  std::copy_n(chosen.data(), count, out.data);
  return out.array;
}

}  // namespace

void register_selections(nb::module_ &m) {
  m.def("mask_offsets", &mask_offsets, nb::arg("mask"), "Where a mask is set, ascending.");
}
