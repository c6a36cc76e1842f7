// Payload indexes: values as their files keep them.
#include "bind/gil.hpp"
#include "bind/register.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <memory>
#include <shared_mutex>
#include <vector>

#include "bind/owned.hpp"
#include "bind/payload_args.hpp"
#include "index/columns_strings.hpp"
#include "index/payload_mph.hpp"
#include "index/payload_pack.hpp"
#include "index/payload_postings.hpp"
#include "kernels/offsets.hpp"

using namespace edgeshard;
using namespace edgeshard::payload;
using namespace edgeshard::bind;
using columns::Strings;

namespace {

nb::object str_of(std::string_view text) {
  PyObject *made = PyUnicode_DecodeUTF8(text.data(), Py_ssize_t(text.size()), "replace");
  if (made == nullptr)
    throw nb::python_error();
  return nb::steal(made);
}

nb::tuple packed_arrays(Packed &&packed) {
  std::vector<uint8_t> data(packed.data.begin(), packed.data.end());
  return nb::make_tuple(owned_array(std::move(data)), owned_array(std::move(packed.bounds)));
}

nb::list string_texts(const Strings &strings, Array<uint32_t> codes) {
  const std::shared_lock lock(strings.mutex);
  nb::list texts;
  for (size_t i = 0; i < codes.size(); ++i) {
    if (codes(i) == 0 || codes(i) > strings.size())
      throw nb::value_error("codes: expected codes of known strings");
    texts.append(str_of(strings.text(codes(i))));
  }
  return texts;
}

// (data, bounds) of the strings `first` and on.
nb::tuple string_bytes(const Strings &strings, uint32_t first) {
  Packed packed;
  {
    GilRelease release;
    const std::shared_lock lock(strings.mutex);
    for (size_t code = first; code <= strings.size(); ++code) {
      packed.data.append(strings.text(uint32_t(code)));
      packed.close();
    }
  }
  return packed_arrays(std::move(packed));
}

nb::tuple string_uuids(const Strings &strings) {
  std::vector<uint64_t> high, low;
  std::vector<uint8_t> valid;
  {
    GilRelease release;
    const std::shared_lock lock(strings.mutex);
    const size_t count = strings.size() + 1;
    high.assign(count, 0);
    low.assign(count, 0);
    valid.assign(count, 0);
    for (size_t code = 1; code < count; ++code) {
      Uuid uuid;
      if (parse_uuid(strings.text(uint32_t(code)), uuid)) {
        high[code] = uuid.high;
        low[code] = uuid.low;
        valid[code] = 1;
      }
    }
  }
  return nb::make_tuple(owned_array(std::move(high)), owned_array(std::move(low)), owned_array(std::move(valid)));
}

nb::tuple parse_uuids(nb::list texts) {
  const auto views = views_of(texts);
  std::vector<uint64_t> high(views.size()), low(views.size());
  std::vector<uint8_t> valid(views.size());
  for (size_t i = 0; i < views.size(); ++i) {
    Uuid uuid;
    valid[i] = parse_uuid(views[i], uuid);
    high[i] = uuid.high;
    low[i] = uuid.low;
  }
  return nb::make_tuple(owned_array(std::move(high)), owned_array(std::move(low)), owned_array(std::move(valid)));
}

nb::tuple pack_keywords_of(const Strings &strings, Array<uint32_t> codes, Array<uint32_t> counts) {
  if (checked_sum(counts) != codes.size())
    throw nb::value_error("counts: expected as many codes as they add up to");
  Packed packed;
  {
    const std::shared_lock lock(strings.mutex);
    check_below(codes, strings.size() + 1, "codes: expected codes of known strings");
    for (size_t i = 0; i < codes.size(); ++i)
      if (codes(i) == 0)
        throw nb::value_error("codes: expected codes of known strings");
    GilRelease release;
    packed = pack_keywords(strings, codes.data(), counts.data(), counts.size());
  }
  return packed_arrays(std::move(packed));
}

nb::tuple pack_tokens_of(nb::list vocabulary, Array<uint32_t> numbers, Array<int64_t> bounds, Array<uint32_t> texts,
                         Array<uint32_t> counts, int form, bool lengths) {
  const TextTokens tokens{views_of(vocabulary), numbers.data(), bounds.data(), bounds.size() - 1};
  check_bounds(bounds, numbers.size());
  check_below(numbers, tokens.vocabulary.size(), "numbers: expected positions in the vocabulary");
  check_below(texts, tokens.texts, "texts: expected positions in bounds");
  if (checked_sum(counts) != texts.size())
    throw nb::value_error("counts: expected as many texts as they add up to");
  if (form < 0 || form > int(TokenForm::in_order_separated))
    throw nb::value_error("form: expected 0 (sorted, unique), 1 (in order) or 2 (in order, separated)");
  Packed packed;
  {
    GilRelease release;
    packed = pack_tokens(tokens, texts.data(), counts.data(), counts.size(), TokenForm(form), lengths);
  }
  return packed_arrays(std::move(packed));
}

Keys keys_of(int kind, const Array<uint8_t> &data, const Array<int64_t> &bounds) {
  if (kind < 0 || kind > int(KeyKind::uuid))
    throw nb::value_error("kind: expected 0 (text), 1 (integer) or 2 (UUID)");
  check_bounds(bounds, data.size());
  return {KeyKind(kind), reinterpret_cast<const char *>(data.data()), bounds.data(), bounds.size() - 1};
}

nb::object build_map_of(int kind, Array<uint8_t> data, Array<int64_t> bounds, Array<int64_t> value_bounds,
                        Array<uint32_t> values) {
  const Keys keys = keys_of(kind, data, bounds);
  check_bounds(value_bounds, values.size());
  if (value_bounds.size() != bounds.size())
    throw nb::value_error("value_bounds: expected as many lists as keys");
  std::string file;
  {
    GilRelease release;
    file = build_map(keys, value_bounds.data(), values.data());
  }
  if (file.empty())
    throw nb::value_error("keys: no perfect hash function was found; are they distinct?");
  return owned_bytes(std::move(file));
}

nb::object build_prefix_index_of(Array<uint8_t> data, Array<int64_t> bounds, Array<uint32_t> counts) {
  const Keys keys = keys_of(int(KeyKind::text), data, bounds);
  if (counts.size() != keys.count)
    throw nb::value_error("counts: expected one per key");
  std::string file;
  {
    GilRelease release;
    file = build_prefix_index(keys, counts.data());
  }
  return owned_bytes(std::move(file));
}

nb::tuple build_text_files_of(nb::list vocabulary, Array<uint32_t> numbers, Array<int64_t> bounds,
                              Array<uint32_t> texts, Array<uint32_t> counts, bool positions, bool scoring) {
  check_bounds(bounds, numbers.size());
  const TextTokens tokens{views_of(vocabulary), numbers.data(), bounds.data(), bounds.size() - 1};
  check_below(numbers, tokens.vocabulary.size(), "numbers: expected positions in the vocabulary");
  check_below(texts, tokens.texts, "texts: expected positions in bounds");
  if (checked_sum(counts) != texts.size())
    throw nb::value_error("counts: expected as many texts as they add up to");
  TextFiles files;
  {
    GilRelease release;
    files = build_text_files(tokens, texts.data(), counts.data(), counts.size(), {positions, scoring});
  }
  if (files.vocabulary.empty())
    throw nb::value_error("vocabulary: no perfect hash function was found; are the tokens distinct?");
  return nb::make_tuple(owned_bytes(std::move(files.postings)), owned_bytes(std::move(files.vocabulary)),
                        owned_bytes(std::move(files.frequencies)), owned_array(std::move(files.token_counts)),
                        owned_array(std::move(files.lengths)));
}

constexpr size_t pair_bytes = 16, point_at = 8; // data.bin: a value of 8 bytes, the point, padding

// (points,) bool: the points of the pairs first..last of a numeric index.
nb::object mark_pairs(Array<uint8_t> data, size_t first, size_t last, size_t points) {
  if (first > last || last > data.size() / pair_bytes)
    throw nb::value_error("last: expected a range of pairs within data");
  auto mask = std::make_unique<bool[]>(points);
  bool inside = true;
  {
    GilRelease release;
    for (const uint8_t *pair = data.data() + first * pair_bytes; pair < data.data() + last * pair_bytes;
         pair += pair_bytes) {
      uint32_t point;
      std::memcpy(&point, pair + point_at, sizeof(point));
      inside &= point < points;
      if (point < points)
        mask[point] = true;
    }
  }
  if (!inside)
    throw nb::value_error("it names a point the segment does not have");
  return owned_array(std::move(mask), points);
}

// The points of pairs, ascending and each once, (n,) uint32: for few pairs of many points.
nb::object pair_offsets(Array<uint8_t> data, size_t first, size_t last, size_t points) {
  if (first > last || last > data.size() / pair_bytes)
    throw nb::value_error("last: expected a range of pairs within data");
  std::vector<uint32_t> owners(last - first);
  for (size_t i = 0; i < owners.size(); ++i)
    std::memcpy(&owners[i], data.data() + (first + i) * pair_bytes + point_at, sizeof(uint32_t));
  return owned_array(distinct_offsets(std::move(owners), points));
}

} // namespace

void register_payload_index(nb::module_ &m) {
  m.def("string_texts", &string_texts, nb::arg("strings"), nb::arg("codes"), "The strings of some codes.");
  m.def("string_bytes", &string_bytes, nb::arg("strings"), nb::arg("first"),
        "(data u8, bounds i64) of the strings from a code on.");
  m.def("string_uuids", &string_uuids, nb::arg("strings"), "(high u64, low u64, valid u8) by code (size + 1).");
  m.def("parse_uuids", &parse_uuids, nb::arg("texts"), "(high u64, low u64, valid u8) of some texts.");
  m.def("pack_keywords", &pack_keywords_of, nb::arg("strings"), nb::arg("codes"), nb::arg("counts"),
        "(data, bounds) of CBOR arrays of texts.");
  m.def("pack_tokens", &pack_tokens_of, nb::arg("vocabulary"), nb::arg("numbers"), nb::arg("bounds"),
        nb::arg("texts"), nb::arg("counts"), nb::arg("form"), nb::arg("lengths"),
        "(data, bounds) of the CBOR maps an appendable text index keeps.");
  m.def("build_map", &build_map_of, nb::arg("kind"), nb::arg("data"), nb::arg("bounds"), nb::arg("value_bounds"),
        nb::arg("values"), "The bytes of a map file.");
  m.def("build_prefix_index", &build_prefix_index_of, nb::arg("data"), nb::arg("bounds"), nb::arg("counts"),
        "The bytes of prefix_index.bin.");
  m.def("build_text_files", &build_text_files_of, nb::arg("vocabulary"), nb::arg("numbers"), nb::arg("bounds"),
        nb::arg("texts"), nb::arg("counts"), nb::arg("positions"), nb::arg("scoring"),
        "(postings, vocabulary, term frequencies, distinct tokens u64, lengths u32) of an immutable text index.");
  m.def("mark_pairs", &mark_pairs, nb::arg("data"), nb::arg("first"), nb::arg("last"), nb::arg("points"),
        "(points,) bool: the points of some pairs of data.bin.");
  m.def("pair_offsets", &pair_offsets, nb::arg("data"), nb::arg("first"), nb::arg("last"), nb::arg("points"),
        "The points of some pairs of data.bin, ascending, each once.");
}
