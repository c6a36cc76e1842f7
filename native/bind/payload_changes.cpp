// Changes of payloads, of many at once or of one, as the text that is stored.
#include <string>
#include <vector>

#include "bind/gil.hpp"
#include "bind/owned.hpp"
#include "bind/payload_args.hpp"
#include "bind/register.hpp"
#include "codec/json_merge.hpp"
#include "support/interrupt.hpp"

namespace {

using edgeshard::bind::Array;
using edgeshard::bind::owned_array;
using edgeshard::bind::owned_bytes;

std::string_view view_of(const nb::bytes &bytes) { return {bytes.c_str(), bytes.size()}; }

nb::tuple merge_payloads(Array<uint8_t> data, Array<int64_t> bounds, nb::bytes patch, nb::bytes absent) {
  constexpr size_t kAskEvery = 4096;
  edgeshard::bind::check_bounds(bounds, data.size());
  std::string out;
  std::vector<int64_t> ends(bounds.size());
  size_t failed = 0, failed_at = 0;
  const char *reason = nullptr;
  edgeshard::json::Patch merge(view_of(patch));
  if (merge.reason() != nullptr) throw nb::value_error(merge.reason());
  {
    edgeshard::GilRelease release;
    out.reserve(data.size() + (bounds.size() - 1) * patch.size());
    for (size_t i = 0; i + 1 < bounds.size() && reason == nullptr; ++i) {
      if (i % kAskEvery == kAskEvery - 1) edgeshard::check_interrupt();
      const std::string_view old(reinterpret_cast<const char *>(data.data()) + bounds(i), size_t(bounds(i + 1) - bounds(i)));
      if (old.empty()) {
        out.append(view_of(absent));
      } else {
        reason = merge.apply(old, out, failed_at);
        failed = i;
      }
      ends[i + 1] = int64_t(out.size());
    }
  }
  if (reason != nullptr) return nb::make_tuple(nb::make_tuple(failed, failed_at, reason), nb::none(), nb::none());
  return nb::make_tuple(nb::none(), owned_bytes(std::move(out)), owned_array(std::move(ends)));
}

// The text after the merge, or what is wrong with `old`: (reason or None, bytes or None).
nb::tuple merge_payload(nb::bytes old, nb::bytes patch) {
  std::string out;
  size_t failed_at = 0;
  edgeshard::json::Patch merge(view_of(patch));
  if (merge.reason() != nullptr) throw nb::value_error(merge.reason());
  const char *reason = merge.apply(view_of(old), out, failed_at);
  if (reason != nullptr) return nb::make_tuple(reason, nb::none());
  return nb::make_tuple(nb::none(), nb::bytes(out.data(), out.size()));
}

} // namespace

void register_payload_changes(nb::module_ &m) {
  m.def("merge_payload", &merge_payload, nb::arg("old"), nb::arg("patch"));
  m.def("merge_payloads", &merge_payloads, nb::arg("data"), nb::arg("bounds"), nb::arg("patch"), nb::arg("absent"));
}
