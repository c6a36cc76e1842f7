// The distinct strings of a column, numbered from 1, and what conditions ask of them: each question is answered once
// per distinct string, and points look the answer up by number.
#pragma once

#include <cstdint>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "index/text_split.hpp"

namespace edgeshard::columns {

// How a text has to occur in a string.
enum class TextMatch : int {
  all_words = 0,
  any_word = 1,
  phrase = 2, // its words next to each other
  prefix = 3, // bytes at the start
  substring = 4,
};

// Not synchronised; see `mutex`.
class Strings {
public:
  // Guards the table: exclusive to add strings or to call `index_words` and `index_dates`, shared for all else.
  mutable std::shared_mutex mutex;

  Strings();

  // The code of `text`, new or known.
  uint32_t add(std::string_view text);
  // The code of `text`, 0 if unknown.
  uint32_t find(std::string_view text) const;

  // Distinct strings; their codes are 1..size().
  size_t size() const { return starts_.size() - 1; }
  std::string_view text(uint32_t code) const {
    return std::string_view(arena_).substr(starts_[code - 1], starts_[code] - starts_[code - 1]);
  }
  size_t bytes() const;

  // Bring what the questions below need up to date with the strings.
  void index_words();
  void index_dates();

  // out[code] = whether the string matches, for the codes 0..size(); out[0] is false.
  void match(TextMatch how, std::string_view text, bool *out) const;
  // out[code] = whether the string is a date within [low, high], microseconds since the epoch.
  void dates_within(int64_t low, int64_t high, bool *out) const;
  // The date of each code, not_a_date for none and for code 0, as of `index_dates`.
  std::vector<int64_t> dates() const;

private:
  void grow();
  size_t slot_of(std::string_view text, uint32_t hash) const;
  void match_words(TextMatch how, std::string_view text, bool *out) const;
  bool has_word(uint32_t code, uint32_t word) const;
  bool has_phrase(uint32_t code, const std::vector<uint32_t> &phrase) const;

  std::string arena_;
  std::vector<uint64_t> starts_; // size() + 1
  std::vector<uint32_t> hashes_;
  std::vector<uint32_t> slots_; // open addressing: codes, 0 is free

  text::Vocabulary vocabulary_;
  std::vector<uint32_t> words_;       // of all strings one after the other
  std::vector<uint64_t> word_starts_; // indexed strings + 1
  std::vector<std::vector<uint32_t>> holders_; // per word: codes of the strings that have it, ascending

  std::vector<int64_t> dates_; // per indexed string, not_a_date if it is none
};

} // namespace edgeshard::columns
