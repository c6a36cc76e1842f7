// Payload columns: what filters read instead of payloads.
#include "bind/register.hpp"

#include "index/columns_slice.hpp"

#include <nanobind/ndarray.h>

namespace {

using edgeshard::siphash24;

uint64_t slice_hash(nb::bytes data) {
  return siphash24(static_cast<const uint8_t *>(data.data()), data.size());
}

} // namespace

void register_columns(nb::module_ &m) {
  m.def("slice_hash", &slice_hash, nb::arg("data"));
}
