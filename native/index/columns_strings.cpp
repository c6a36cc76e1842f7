#include "index/columns_strings.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "codec/datetimes.hpp"

namespace edgeshard::columns {
namespace {

constexpr int64_t not_a_date = std::numeric_limits<int64_t>::min();
constexpr uint32_t unknown_word = UINT32_MAX; // of Vocabulary::find

// Eight bytes at a time, multiplied and folded (the mixing step of wyhash, Wang Yi 2019).
uint32_t hash_of(std::string_view text) {
  uint64_t hash = 0x9e3779b97f4a7c15 ^ text.size();
  while (!text.empty()) {
    uint64_t word = 0;
    const size_t size = std::min<size_t>(8, text.size());
    std::memcpy(&word, text.data(), size);
    hash = (hash ^ word) * 0xa0761d6478bd642f;
    hash ^= hash >> 32;
    text.remove_prefix(size);
  }
  return uint32_t(hash);
}

} // namespace

Strings::Strings() : starts_{0}, slots_(64, 0), word_starts_{0} {}

size_t Strings::slot_of(std::string_view text, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  while (slots_[slot] != 0) {
    const uint32_t code = slots_[slot];
    if (hashes_[code - 1] == hash && this->text(code) == text)
      break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

uint32_t Strings::find(std::string_view text) const { return slots_[slot_of(text, hash_of(text))]; }

uint32_t Strings::add(std::string_view text) {
  const uint32_t hash = hash_of(text);
  size_t slot = slot_of(text, hash);
  if (slots_[slot] != 0)
    return slots_[slot];
  arena_.append(text);
  starts_.push_back(arena_.size());
  hashes_.push_back(hash);
  const uint32_t code = uint32_t(size());
  slots_[slot] = code;
  if (size() * 2 > slots_.size())
    grow();
  return code;
}

void Strings::grow() {
  slots_.assign(slots_.size() * 4, 0);
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < hashes_.size(); ++i) {
    size_t slot = hashes_[i] & mask;
    while (slots_[slot] != 0)
      slot = (slot + 1) & mask;
    slots_[slot] = uint32_t(i + 1);
  }
}

size_t Strings::bytes() const {
  size_t total = arena_.capacity() + 8 * starts_.capacity() + 4 * (hashes_.capacity() + slots_.capacity()) +
                 4 * words_.capacity() + 8 * word_starts_.capacity() + 8 * dates_.capacity();
  for (const auto &holders : holders_)
    total += sizeof(holders) + 4 * holders.capacity();
  return total;
}

void Strings::index_words() {
  for (uint32_t code = uint32_t(word_starts_.size()); code <= size(); ++code) {
    const size_t before = words_.size();
    text::split_text(text(code), {}, vocabulary_, words_);
    holders_.resize(vocabulary_.size());
    for (size_t i = before; i < words_.size(); ++i) {
      auto &holders = holders_[words_[i]];
      if (holders.empty() || holders.back() != code)
        holders.push_back(code);
    }
    word_starts_.push_back(words_.size());
  }
}

void Strings::index_dates() {
  while (dates_.size() < size())
    dates_.push_back(parse_datetime(text(uint32_t(dates_.size() + 1))).value_or(not_a_date));
}

bool Strings::has_phrase(uint32_t code, const std::vector<uint32_t> &phrase) const {
  const auto first = words_.begin() + int64_t(word_starts_[code - 1]);
  const auto last = words_.begin() + int64_t(word_starts_[code]);
  return std::search(first, last, phrase.begin(), phrase.end()) != last;
}

bool Strings::has_word(uint32_t code, uint32_t word) const {
  return std::binary_search(holders_[word].begin(), holders_[word].end(), code);
}

void Strings::match_words(TextMatch how, std::string_view text, bool *out) const {
  text::Vocabulary asked;
  std::vector<uint32_t> numbers;
  text::split_text(text, {}, asked, numbers);
  std::vector<uint32_t> known(asked.size()); // by number in `asked`
  for (uint32_t i = 0; i < known.size(); ++i)
    known[i] = vocabulary_.find(asked.token(i));
  if (how == TextMatch::any_word) {
    for (uint32_t word : known)
      if (word != unknown_word)
        for (uint32_t code : holders_[word])
          out[code] = true;
    return;
  }
  if (known.empty() || std::count(known.begin(), known.end(), unknown_word) != 0)
    return;
  const auto rarest = std::min_element(known.begin(), known.end(), [&](uint32_t a, uint32_t b) {
    return holders_[a].size() < holders_[b].size();
  });
  for (uint32_t &number : numbers)
    number = known[number];
  for (uint32_t code : holders_[*rarest]) {
    const bool all = std::all_of(known.begin(), known.end(), [&](uint32_t word) { return has_word(code, word); });
    out[code] = all && (how == TextMatch::all_words || has_phrase(code, numbers));
  }
}

void Strings::match(TextMatch how, std::string_view wanted, bool *out) const {
  std::fill(out, out + size() + 1, false);
  if (how != TextMatch::prefix && how != TextMatch::substring)
    return match_words(how, wanted, out);
  if (how == TextMatch::prefix || wanted.empty()) {
    for (uint32_t code = 1; code <= size(); ++code)
      out[code] = text(code).substr(0, wanted.size()) == wanted;
    return;
  }
  // One search through all strings; a hit that reaches over the end of its string is none.
  const char *at = arena_.data(), *end = at + arena_.size();
  uint32_t code = 1;
  while (at < end) {
    const auto *hit = static_cast<const char *>(memmem(at, size_t(end - at), wanted.data(), wanted.size()));
    if (hit == nullptr)
      return;
    const uint64_t where = uint64_t(hit - arena_.data());
    code = uint32_t(std::upper_bound(starts_.begin() + code, starts_.end(), where) - starts_.begin());
    out[code] = where + wanted.size() <= starts_[code];
    at = out[code] ? arena_.data() + starts_[code] : hit + 1;
  }
}

void Strings::dates_within(int64_t low, int64_t high, bool *out) const {
  out[0] = false;
  low = std::max(low, not_a_date + 1);
  for (size_t i = 0; i < dates_.size(); ++i)
    out[i + 1] = dates_[i] >= low && dates_[i] <= high;
}

std::vector<int64_t> Strings::dates() const {
  std::vector<int64_t> found(1, not_a_date);
  found.insert(found.end(), dates_.begin(), dates_.end());
  return found;
}

} // namespace edgeshard::columns
