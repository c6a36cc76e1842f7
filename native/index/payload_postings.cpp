#include "index/payload_postings.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "index/payload_mph.hpp"

namespace edgeshard::payload {
namespace {

constexpr size_t block_size = 128;

template <class T> void store(std::string &out, T value) {
  out.append(reinterpret_cast<const char *>(&value), sizeof(T));
}

uint32_t width_of(const uint32_t *values, size_t count) {
  uint32_t all = 0;
  for (size_t i = 0; i < count; ++i)
    all |= values[i];
  return uint32_t(std::bit_width(all));
}

// 128 values of `width` bits in four lanes: value i is in lane i % 4, words of the lanes take turns.
void put_block(std::string &out, const uint32_t *values, uint32_t width) {
  std::vector<uint32_t> words(size_t(width) * 4);
  for (size_t i = 0; i < block_size; ++i) {
    const size_t lane = i % 4, bit = (i / 4) * width;
    const uint64_t shifted = uint64_t(values[i]) << (bit % 32);
    const size_t word = bit / 32;
    if (width > 0)
      words[word * 4 + lane] |= uint32_t(shifted);
    if (bit % 32 + width > 32)
      words[(word + 1) * 4 + lane] |= uint32_t(shifted >> 32);
  }
  out.append(reinterpret_cast<const char *>(words.data()), words.size() * 4);
}

// Values of `width` bits one after the other, least significant bit first.
void put_plain(std::string &out, const uint32_t *values, size_t count, uint32_t width) {
  uint64_t pending = 0;
  uint32_t bits = 0;
  for (size_t i = 0; i < count; ++i) {
    pending |= uint64_t(values[i]) << bits;
    for (bits += width; bits >= 8; bits -= 8, pending >>= 8)
      out.push_back(char(pending));
  }
  if (bits > 0)
    out.push_back(char(pending));
}

// All postings, by token and then point; of each its frequency and positions.
struct Lists {
  std::vector<uint64_t> starts;          // of the postings of each token
  std::vector<uint64_t> position_starts; // of the positions of each token
  std::vector<uint32_t> points;
  std::vector<uint32_t> frequencies;
  std::vector<uint32_t> positions;
};

constexpr uint32_t unseen = UINT32_MAX;

// Calls visit(document, position, token) for every token of every document, the separator included.
template <class Visit>
void each_token(const TextTokens &tokens, const uint32_t *texts, const uint32_t *counts, size_t documents,
                uint32_t separator, Visit &&visit) {
  for (size_t document = 0; document < documents; texts += counts[document], ++document) {
    const auto size_of = [&](uint32_t i) { return tokens.bounds[texts[i] + 1] - tokens.bounds[texts[i]]; };
    int64_t real = 0;
    for (uint32_t i = 0; i < counts[document]; ++i)
      real += size_of(i);
    if (real == 0)
      continue;
    uint32_t position = 0;
    for (uint32_t i = 0; i < counts[document]; ++i) {
      if (i > 0 && separator != unseen)
        visit(uint32_t(document), position++, separator);
      for (int64_t at = tokens.bounds[texts[i]]; at < tokens.bounds[texts[i] + 1]; ++at)
        visit(uint32_t(document), position++, tokens.numbers[at]);
    }
  }
}

// `total`: tokens of all documents if they are scored, else 0. Qdrant takes the mean length of a document from it where it
// leaves the file on disk.
std::string pack_postings(const Lists &lists, bool positions, uint64_t total) {
  const size_t tokens = lists.starts.size() - 1;
  std::string heads, data;
  store(heads, uint64_t(tokens));
  store(heads, total);
  heads.resize(40);
  const size_t data_at = heads.size() + 24 * tokens;
  std::vector<uint32_t> offsets;
  std::array<uint32_t, block_size> gaps;
  for (size_t token = 0; token < tokens; ++token) {
    const uint32_t *points = lists.points.data() + lists.starts[token];
    const uint32_t *frequencies = lists.frequencies.data() + lists.starts[token];
    const size_t count = lists.starts[token + 1] - lists.starts[token], full = count / block_size;
    offsets.resize(count + 1);
    for (size_t i = 0; i < count; ++i)
      offsets[i + 1] = (i == 0 ? offsets[0] = 0 : offsets[i]) + frequencies[i] * 4;
    const uint64_t list_at = data_at + data.size();
    std::string packed;
    store(data, points[count - 1]);
    for (size_t block = 0; block < full; ++block) {
      const uint32_t *some = points + block * block_size;
      store(data, some[0]);
      store(data, uint32_t(packed.size()));
      if (positions)
        data.append(reinterpret_cast<const char *>(offsets.data() + block * block_size), block_size * 4);
      gaps[0] = 0;
      for (size_t i = 1; i < block_size; ++i)
        gaps[i] = some[i] - some[i - 1];
      put_block(packed, gaps.data(), width_of(gaps.data(), block_size));
    }
    data.append(packed);
    const uint32_t position_bytes = positions ? offsets[count] : 0;
    if (positions)
      data.append(reinterpret_cast<const char *>(lists.positions.data() + lists.position_starts[token]),
                  position_bytes);
    for (size_t i = full * block_size; i < count; ++i) {
      store(data, points[i]);
      if (positions)
        store(data, offsets[i]);
    }
    store(heads, list_at);
    store(heads, uint32_t(full));
    store(heads, uint32_t(packed.size()));
    store(heads, uint8_t(0));
    store(heads, uint8_t(count % block_size));
    store(heads, uint16_t(0));
    store(heads, position_bytes);
  }
  return heads + data;
}

std::string pack_frequencies(const Lists &lists) {
  const size_t tokens = lists.starts.size() - 1;
  std::string heads, data;
  store(heads, uint64_t(tokens));
  std::vector<uint32_t> less_one;
  for (size_t token = 0; token < tokens; ++token) {
    const size_t count = lists.starts[token + 1] - lists.starts[token], full = count / block_size;
    less_one.assign(lists.frequencies.begin() + int64_t(lists.starts[token]),
                    lists.frequencies.begin() + int64_t(lists.starts[token + 1]));
    for (uint32_t &value : less_one)
      --value;
    store(heads, uint64_t(data.size()));
    store(heads, uint32_t(count));
    std::string packed;
    for (size_t block = 0; block < full; ++block) {
      store(data, uint32_t(packed.size()));
      const uint32_t *some = less_one.data() + block * block_size;
      put_block(packed, some, width_of(some, block_size));
    }
    store(data, uint32_t(packed.size()));
    const uint32_t *rest = less_one.data() + full * block_size;
    const uint32_t width = width_of(rest, count % block_size);
    packed.push_back(char(width));
    put_plain(packed, rest, count % block_size, width);
    data.append(packed);
  }
  return heads + data;
}

Lists collect(const TextTokens &tokens, const uint32_t *texts, const uint32_t *counts, size_t documents,
              uint32_t separator, size_t vocabulary, TextFiles &files) {
  Lists lists;
  lists.starts.assign(vocabulary + 1, 0);
  lists.position_starts.assign(vocabulary + 1, 0);
  std::vector<uint32_t> last(vocabulary, unseen);
  files.token_counts.assign(documents, 0);
  files.lengths.assign(documents, 0);
  each_token(tokens, texts, counts, documents, separator, [&](uint32_t document, uint32_t, uint32_t token) {
    ++lists.position_starts[token + 1];
    files.lengths[document] += token != separator;
    if (last[token] != document) {
      last[token] = document;
      ++lists.starts[token + 1];
      ++files.token_counts[document];
    }
  });
  for (size_t i = 0; i < vocabulary; ++i) {
    lists.starts[i + 1] += lists.starts[i];
    lists.position_starts[i + 1] += lists.position_starts[i];
  }
  lists.points.resize(lists.starts.back());
  lists.frequencies.assign(lists.starts.back(), 0);
  lists.positions.resize(lists.position_starts.back());
  std::vector<uint64_t> next(lists.starts.begin(), lists.starts.end() - 1);
  std::vector<uint64_t> next_position(lists.position_starts.begin(), lists.position_starts.end() - 1);
  std::fill(last.begin(), last.end(), unseen);
  each_token(tokens, texts, counts, documents, separator, [&](uint32_t document, uint32_t position, uint32_t token) {
    lists.positions[next_position[token]++] = position;
    if (last[token] != document) {
      last[token] = document;
      lists.points[next[token]++] = document;
    }
    ++lists.frequencies[next[token] - 1];
  });
  return lists;
}

// The tokens that occur, numbered anew: what is only in texts of no document has no list.
std::vector<uint32_t> drop_unused(Lists &lists) {
  std::vector<uint32_t> used;
  for (uint32_t token = 0; token + 1 < lists.starts.size(); ++token)
    if (lists.starts[token] != lists.starts[token + 1])
      used.push_back(token);
  for (size_t i = 0; i < used.size(); ++i) {
    lists.starts[i] = lists.starts[used[i]];
    lists.position_starts[i] = lists.position_starts[used[i]];
  }
  lists.starts[used.size()] = lists.starts.back();
  lists.position_starts[used.size()] = lists.position_starts.back();
  lists.starts.resize(used.size() + 1);
  lists.position_starts.resize(used.size() + 1);
  return used;
}

} // namespace

TextFiles build_text_files(const TextTokens &tokens, const uint32_t *texts, const uint32_t *counts, size_t documents,
                           TextFilesOptions options) {
  TextFiles files;
  const size_t known = tokens.vocabulary.size();
  const uint32_t separator = options.positions ? separator_of(tokens.vocabulary) : unseen;
  Lists lists = collect(tokens, texts, counts, documents, separator, known + 1, files);
  const std::vector<uint32_t> used = drop_unused(lists);
  std::string keys;
  std::vector<int64_t> key_bounds{0}, value_bounds(used.size() + 1);
  std::vector<uint32_t> numbers(used.size());
  for (size_t i = 0; i < used.size(); ++i) {
    keys.append(used[i] == known ? std::string_view("\0", 1) : tokens.vocabulary[used[i]]);
    key_bounds.push_back(int64_t(keys.size()));
    numbers[i] = uint32_t(i);
    value_bounds[i + 1] = int64_t(i) + 1;
  }
  files.vocabulary = build_map({KeyKind::text, keys.data(), key_bounds.data(), used.size()}, value_bounds.data(),
                               numbers.data());
  const uint64_t total = std::accumulate(files.lengths.begin(), files.lengths.end(), uint64_t(0));
  files.postings = pack_postings(lists, options.positions, options.scoring ? total : 0);
  if (options.scoring)
    files.frequencies = pack_frequencies(lists);
  return files;
}

} // namespace edgeshard::payload
