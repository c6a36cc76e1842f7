// Values of appendable payload indexes as their gridstores keep them, and what indexes read out of strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "index/columns_strings.hpp"

namespace edgeshard::payload {

// Byte strings one after the other; string i is data[bounds[i]..bounds[i + 1]).
struct Packed {
  std::string data;
  std::vector<int64_t> bounds{0};

  void close() { bounds.push_back(int64_t(data.size())); }
};

struct Uuid {
  uint64_t high = 0;
  uint64_t low = 0;
};

// A UUID spelled hyphenated, plain, with "urn:uuid:" or in braces, in any case; false for anything else.
bool parse_uuid(std::string_view text, Uuid &out);

// CBOR arrays of texts: document i has the next counts[i] of `codes`. Codes must be known.
Packed pack_keywords(const columns::Strings &strings, const uint32_t *codes, const uint32_t *counts, size_t documents);

// What a text index keeps of a document.
enum class TokenForm : int {
  sorted_unique = 0,
  in_order = 1,
  in_order_separated = 2, // "\0" between the texts of a document
};

// The tokens of texts: text t has numbers[bounds[t]..bounds[t + 1]) of `vocabulary`.
struct TextTokens {
  std::vector<std::string_view> vocabulary;
  const uint32_t *numbers;
  const int64_t *bounds;
  size_t texts;
};

// The number of the token "\0", which stands between texts; the size of the vocabulary if it is not in there.
uint32_t separator_of(const std::vector<std::string_view> &vocabulary);

// CBOR maps {"tokens": [...]}, with `lengths` {"tokens": [...], "doc_len": n}: document i has the next counts[i] of
// `chosen` texts. The caller has checked that every text and number is known.
Packed pack_tokens(const TextTokens &tokens, const uint32_t *chosen, const uint32_t *counts, size_t documents,
                   TokenForm form, bool lengths);

} // namespace edgeshard::payload
