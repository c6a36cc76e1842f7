// Files of an immutable text index: posting lists with positions, term frequencies, tokens per point.
// Layout: docs/format/payload-index.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "index/payload_pack.hpp"

namespace edgeshard::payload {

struct TextFiles {
  std::string postings;
  std::string vocabulary;
  std::string frequencies;             // empty without scoring
  std::vector<uint64_t> token_counts;  // distinct tokens per document
  std::vector<uint32_t> lengths;       // tokens per document, repeats counted, separators not
};

struct TextFilesOptions {
  bool positions; // for phrases: a "\0" stands between the texts of a document
  bool scoring;
};

// The files of all documents: document i has the next counts[i] of `texts`. The caller has checked that every text and
// number is known. An empty vocabulary file means that its hash function could not be built.
TextFiles build_text_files(const TextTokens &tokens, const uint32_t *texts, const uint32_t *counts, size_t documents,
                           TextFilesOptions options);

} // namespace edgeshard::payload
