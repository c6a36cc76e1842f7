#include "index/payload_tokens.hpp"

#include <algorithm>

namespace edgeshard::payload {

size_t TokenTable::bytes() const {
  size_t total = numbers_.capacity() * sizeof(uint32_t) + starts_.capacity() * sizeof(uint64_t);
  for (const auto &list : postings_)
    total += list.capacity() * sizeof(Posting) + sizeof(list);
  return total;
}

void TokenTable::add(const std::vector<std::string_view> &vocabulary, const uint32_t *numbers, const int64_t *bounds,
                     size_t strings) {
  std::vector<uint32_t> known(vocabulary.size());
  for (size_t i = 0; i < vocabulary.size(); ++i)
    known[i] = vocabulary_.add(vocabulary[i]);
  postings_.resize(vocabulary_.size());
  for (size_t i = 0; i < strings; ++i) {
    const uint32_t code = uint32_t(starts_.size());
    for (int64_t at = bounds[i]; at < bounds[i + 1]; ++at) {
      const uint32_t token = known[numbers[at]];
      numbers_.push_back(token);
      auto &list = postings_[token];
      if (list.empty() || list.back().code != code)
        list.push_back({code, 0});
      ++list.back().count;
    }
    starts_.push_back(numbers_.size());
  }
}

void TokenTable::frequencies(uint32_t token, uint32_t *out) const {
  std::fill_n(out, size() + 1, 0u);
  if (token < postings_.size())
    for (const Posting &posting : postings_[token])
      out[posting.code] = posting.count;
}

void TokenTable::holders(uint32_t token, const int64_t *starts, size_t codes, const uint32_t *owners,
                         size_t owners_size, std::vector<uint32_t> &documents, std::vector<uint32_t> &counts) const {
  if (token >= postings_.size())
    return;
  std::vector<uint64_t> pairs; // document in the upper half, count in the lower
  bool ascending = true;
  for (const Posting &posting : postings_[token]) {
    if (posting.code >= codes)
      break;
    const int64_t end = std::min(starts[posting.code + 1], int64_t(owners_size));
    for (int64_t at = std::max<int64_t>(starts[posting.code], 0); at < end; ++at) {
      const uint64_t pair = uint64_t(owners[at]) << 32 | posting.count;
      ascending &= pairs.empty() || pairs.back() >> 32 < owners[at];
      pairs.push_back(pair);
    }
  }
  if (!ascending)
    std::sort(pairs.begin(), pairs.end());
  documents.reserve(pairs.size());
  counts.reserve(pairs.size());
  for (const uint64_t pair : pairs) {
    const uint32_t document = uint32_t(pair >> 32);
    if (documents.empty() || documents.back() != document) {
      documents.push_back(document);
      counts.push_back(0);
    }
    counts.back() += uint32_t(pair);
  }
}

void TokenTable::lengths(uint32_t *out) const {
  out[0] = 0;
  for (size_t code = 1; code <= size(); ++code)
    out[code] = uint32_t(starts_[code] - starts_[code - 1]);
}

bool TokenTable::has_phrase(uint32_t code, const std::vector<uint32_t> &tokens) const {
  const auto begin = numbers_.begin() + int64_t(starts_[code - 1]), end = numbers_.begin() + int64_t(starts_[code]);
  return std::search(begin, end, tokens.begin(), tokens.end()) != end;
}

void TokenTable::phrase(const std::vector<uint32_t> &tokens, bool *out) const {
  std::fill_n(out, size() + 1, false);
  const std::vector<Posting> *rarest = nullptr;
  for (const uint32_t token : tokens) {
    if (token >= postings_.size())
      return;
    if (rarest == nullptr || postings_[token].size() < rarest->size())
      rarest = &postings_[token];
  }
  if (rarest != nullptr)
    for (const Posting &posting : *rarest)
      out[posting.code] = has_phrase(posting.code, tokens);
}

} // namespace edgeshard::payload
