// The tokens of a column's distinct strings, inverted: what text conditions and BM25 ask of a text index in memory.
//
// Strings are known by their code (1 is the first, see columns_strings.hpp) and only ever added. A question is answered
// per distinct string; points look the answer up by the codes of their strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "index/text_split.hpp"

namespace edgeshard::payload {

class TokenTable {
public:
  // Strings known: their codes are 1..size().
  size_t size() const { return starts_.size() - 1; }
  size_t tokens() const { return vocabulary_.size(); }
  size_t bytes() const;

  // The number of a token, UINT32_MAX if no string has it.
  uint32_t find(std::string_view token) const { return vocabulary_.find(token); }

  // Adds the strings after the known ones: string i has numbers[bounds[i]..bounds[i + 1]) of `vocabulary`, which the
  // caller has checked.
  void add(const std::vector<std::string_view> &vocabulary, const uint32_t *numbers, const int64_t *bounds,
           size_t strings);

  // out[code] = occurrences of the token in that string, for the codes 0..size().
  void frequencies(uint32_t token, uint32_t *out) const;
  // Documents with the token and how often they have it, by document. Strings with code c belong to the documents
  // owners[starts[c]..starts[c + 1]); codes from `codes` on are passed over.
  void holders(uint32_t token, const int64_t *starts, size_t codes, const uint32_t *owners, size_t owners_size,
               std::vector<uint32_t> &documents, std::vector<uint32_t> &counts) const;
  // out[code] = whether the tokens stand next to each other in that string.
  void phrase(const std::vector<uint32_t> &tokens, bool *out) const;
  // out[code] = number of tokens of that string.
  void lengths(uint32_t *out) const;

private:
  struct Posting {
    uint32_t code;
    uint32_t count;
  };
  bool has_phrase(uint32_t code, const std::vector<uint32_t> &tokens) const;

  text::Vocabulary vocabulary_;
  std::vector<uint32_t> numbers_;
  std::vector<uint64_t> starts_{0};
  std::vector<std::vector<Posting>> postings_; // per token, codes ascending
};

} // namespace edgeshard::payload
