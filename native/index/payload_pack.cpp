#include "index/payload_pack.hpp"

#include <algorithm>
#include <numeric>

namespace edgeshard::payload {
namespace {

constexpr int bad_digit = -1;

int digit_of(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  const char lower = char(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : bad_digit;
}

bool parse_digits(std::string_view text, bool hyphens, Uuid &out) {
  int digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (hyphens && (i == 8 || i == 13 || i == 18 || i == 23)) {
      if (text[i] != '-')
        return false;
      continue;
    }
    const int digit = digit_of(text[i]);
    if (digit == bad_digit)
      return false;
    uint64_t &half = digits++ < 16 ? out.high : out.low;
    half = half << 4 | uint64_t(digit);
  }
  return digits == 32;
}

// The head of a CBOR item.
void put_head(std::string &out, int major, uint64_t value) {
  const int type = major << 5;
  if (value < 24) {
    out.push_back(char(type | int(value)));
    return;
  }
  const int log = value < 0x100 ? 0 : value < 0x10000 ? 1 : value < 0x100000000 ? 2 : 3;
  out.push_back(char(type | (24 + log)));
  for (int byte = (1 << log) - 1; byte >= 0; --byte)
    out.push_back(char(value >> (8 * byte)));
}

constexpr int cbor_uint = 0, cbor_text = 3, cbor_array = 4, cbor_map = 5;

void put_text(std::string &out, std::string_view text) {
  put_head(out, cbor_text, text.size());
  out.append(text);
}

// The place of each token among all, sorted by bytes.
std::vector<uint32_t> ranks_of(const std::vector<std::string_view> &vocabulary) {
  std::vector<uint32_t> order(vocabulary.size()), ranks(vocabulary.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return vocabulary[a] < vocabulary[b]; });
  for (size_t i = 0; i < order.size(); ++i)
    ranks[order[i]] = uint32_t(i);
  return ranks;
}

constexpr std::string_view separator_text("\0", 1);


// Collects the tokens of one document.
class Collector {
public:
  Collector(const TextTokens &tokens, TokenForm form) : tokens_(tokens), form_(form) {
    separator_ = separator_of(tokens.vocabulary);
    if (form == TokenForm::sorted_unique)
      ranks_ = ranks_of(tokens.vocabulary);
  }

  const std::vector<uint32_t> &collect(const uint32_t *texts, size_t count) {
    found_.clear();
    for (size_t i = 0; i < count; ++i) {
      if (i > 0 && form_ == TokenForm::in_order_separated)
        found_.push_back(separator_);
      const int64_t from = tokens_.bounds[texts[i]], to = tokens_.bounds[texts[i] + 1];
      found_.insert(found_.end(), tokens_.numbers + from, tokens_.numbers + to);
    }
    real_ = size_t(std::count_if(found_.begin(), found_.end(), [&](uint32_t token) { return token != separator_; }));
    if (real_ == 0)
      found_.clear();
    if (form_ == TokenForm::sorted_unique) {
      std::sort(found_.begin(), found_.end(), [&](uint32_t a, uint32_t b) { return ranks_[a] < ranks_[b]; });
      found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    }
    return found_;
  }

  // Tokens of the last document, separators not counted, repeats counted.
  size_t length() const { return real_; }

private:
  const TextTokens &tokens_;
  const TokenForm form_;
  uint32_t separator_;
  std::vector<uint32_t> ranks_;
  std::vector<uint32_t> found_;
  size_t real_ = 0;
};

} // namespace

uint32_t separator_of(const std::vector<std::string_view> &vocabulary) {
  const auto found = std::find(vocabulary.begin(), vocabulary.end(), separator_text);
  return uint32_t(found - vocabulary.begin());
}

bool parse_uuid(std::string_view text, Uuid &out) {
  out = {};
  if (text.size() == 32)
    return parse_digits(text, false, out);
  if (text.size() == 45 && text.starts_with("urn:uuid:"))
    text.remove_prefix(9);
  else if (text.size() == 38 && text.front() == '{' && text.back() == '}')
    text = text.substr(1, 36);
  return text.size() == 36 && parse_digits(text, true, out);
}

Packed pack_keywords(const columns::Strings &strings, const uint32_t *codes, const uint32_t *counts,
                     size_t documents) {
  Packed packed;
  packed.bounds.reserve(documents + 1);
  for (size_t i = 0; i < documents; ++i) {
    put_head(packed.data, cbor_array, counts[i]);
    for (uint32_t n = 0; n < counts[i]; ++n)
      put_text(packed.data, strings.text(*codes++));
    packed.close();
  }
  return packed;
}

Packed pack_tokens(const TextTokens &tokens, const uint32_t *chosen, const uint32_t *counts, size_t documents,
                   TokenForm form, bool lengths) {
  Packed packed;
  packed.bounds.reserve(documents + 1);
  Collector collector(tokens, form);
  for (size_t i = 0; i < documents; ++i) {
    const std::vector<uint32_t> &found = collector.collect(chosen, counts[i]);
    chosen += counts[i];
    put_head(packed.data, cbor_map, lengths ? 2 : 1);
    put_text(packed.data, "tokens");
    put_head(packed.data, cbor_array, found.size());
    for (const uint32_t token : found)
      put_text(packed.data, token < tokens.vocabulary.size() ? tokens.vocabulary[token] : separator_text);
    if (lengths) {
      put_text(packed.data, "doc_len");
      put_head(packed.data, cbor_uint, collector.length());
    }
    packed.close();
  }
  return packed;
}

} // namespace edgeshard::payload
