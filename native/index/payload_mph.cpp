#include "index/payload_mph.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>

#include "support/load.hpp"

namespace edgeshard::payload {
namespace {

constexpr std::array<uint64_t, 6> P = {0xa0761d6478bd642f, 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3,
                                       0x589965cc75374cc3, 0x1d8e4e27c47d124f, 0xeb44accab455d165};
constexpr size_t page_bytes = 4096;
constexpr size_t header_bytes = 24;
constexpr int max_barren_levels = 10;
constexpr char text_end = '\xff';

template <class T> void store(std::string &out, T value) {
  out.append(reinterpret_cast<const char *>(&value), sizeof(T));
}

uint64_t multiply_mix(uint64_t a, uint64_t b) {
#ifdef _MSC_VER
#error "128-bit multiplication is needed"
#endif
  __extension__ using wide = unsigned __int128;
  const wide product = wide(a) * b;
  return uint64_t(product >> 64) ^ uint64_t(product);
}

// A word of 1 to 8 bytes in the byte order wyhash reads it.
uint64_t tail_word(const char *at, size_t size) {
  const auto byte = [&](size_t i) { return uint64_t(uint8_t(at[i])); };
  switch (size) {
  case 1:
    return byte(0);
  case 2:
    return load<uint16_t>(at);
  case 3:
    return uint64_t(load<uint16_t>(at)) << 8 | byte(2);
  case 4:
    return load<uint32_t>(at);
  case 5:
    return uint64_t(load<uint32_t>(at)) << 8 | byte(4);
  case 6:
    return uint64_t(load<uint32_t>(at)) << 16 | load<uint16_t>(at + 4);
  case 7:
    return uint64_t(load<uint32_t>(at)) << 24 | uint64_t(load<uint16_t>(at + 4)) << 8 | byte(6);
  default:
    return uint64_t(load<uint32_t>(at)) << 32 | load<uint32_t>(at + 4);
  }
}

// wyhash version 1 (Wang Yi, public domain) in the streaming form of the Rust crate `wyhash`.
class Hasher {
public:
  explicit Hasher(uint64_t seed) : state_(seed) {}

  void write(std::string_view bytes) {
    length_ += bytes.size();
    const char *at = bytes.data();
    size_t left = bytes.size();
    for (; left >= 32; left -= 32, at += 32)
      state_ = multiply_mix(state_ ^ P[0], multiply_mix(load<uint64_t>(at) ^ P[1], load<uint64_t>(at + 8) ^ P[2]) ^
                                               multiply_mix(load<uint64_t>(at + 16) ^ P[3],
                                                            load<uint64_t>(at + 24) ^ P[4]));
    state_ ^= P[0];
    if (left == 0)
      return;
    std::array<uint64_t, 4> r{};
    size_t words = 0;
    for (size_t start = 0; start < left; start += 8)
      r[words++] = tail_word(at + start, std::min<size_t>(8, left - start));
    if (words == 1)
      state_ = multiply_mix(state_, r[0] ^ P[1]);
    else if (words == 2)
      state_ = multiply_mix(r[0] ^ state_, r[1] ^ P[2]);
    else if (words == 3)
      state_ = multiply_mix(r[0] ^ state_, r[1] ^ P[2]) ^ multiply_mix(state_, r[2] ^ P[3]);
    else
      state_ = multiply_mix(r[0] ^ state_, r[1] ^ P[2]) ^ multiply_mix(r[2] ^ state_, r[3] ^ P[4]);
  }
  uint64_t finish() const { return multiply_mix(state_, length_ ^ P[5]); }

private:
  uint64_t state_;
  uint64_t length_ = 0;
};

uint64_t hash_of(KeyKind kind, std::string_view key, uint64_t seed) {
  Hasher hasher(seed);
  hasher.write(key);
  if (kind == KeyKind::text)
    hasher.write({&text_end, 1});
  return hasher.finish();
}

uint64_t slot_of(uint64_t hash, uint64_t bits) {
  __extension__ using wide = unsigned __int128;
  return uint64_t(wide(hash) * bits >> 64);
}

struct Function {
  std::vector<uint64_t> level_words;
  std::vector<uint64_t> bits;
  bool complete = true;
};

// The bits of each level: those that exactly one of the keys left hits.
Function build_function(const Keys &keys, std::vector<uint64_t> &places) {
  Function function;
  std::vector<uint32_t> left(keys.count);
  std::iota(left.begin(), left.end(), 0u);
  std::vector<uint64_t> slots;
  places.assign(keys.count, 0);
  size_t start = 0;
  int barren = 0;
  for (uint64_t level = 0; !left.empty(); ++level) {
    const size_t words = (left.size() + 63) / 64;
    std::vector<uint64_t> once(words), twice(words);
    slots.resize(left.size());
    for (size_t i = 0; i < left.size(); ++i) {
      const uint64_t slot = slots[i] = slot_of(hash_of(keys.kind, keys[left[i]], level), words * 64);
      const uint64_t bit = uint64_t(1) << (slot & 63);
      twice[slot >> 6] |= once[slot >> 6] & bit;
      once[slot >> 6] |= bit;
    }
    size_t kept = 0;
    for (size_t i = 0; i < left.size(); ++i) {
      if (twice[slots[i] >> 6] >> (slots[i] & 63) & 1)
        left[kept++] = left[i];
      else
        places[left[i]] = start * 64 + slots[i];
    }
    barren = kept == left.size() ? barren + 1 : 0;
    if (barren == max_barren_levels)
      return function.complete = false, function;
    left.resize(kept);
    for (size_t i = 0; i < words; ++i)
      function.bits.push_back(once[i] & ~twice[i]);
    function.level_words.push_back(words);
    start += words;
  }
  return function;
}

void put_varint(std::string &out, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out.push_back(char(value | 0x80));
  out.push_back(char(value));
}

std::vector<uint32_t> ranks_of(const std::vector<uint64_t> &bits) {
  std::vector<uint32_t> ranks(bits.size());
  uint32_t before = 0;
  for (size_t i = 0; i < bits.size(); ++i) {
    ranks[i] = before;
    before += uint32_t(std::popcount(bits[i]));
  }
  return ranks;
}

size_t rank_at(const std::vector<uint64_t> &bits, const std::vector<uint32_t> &ranks, uint64_t place) {
  const uint64_t below = (uint64_t(1) << (place & 63)) - 1;
  return ranks[place >> 6] + size_t(std::popcount(bits[place >> 6] & below));
}

constexpr std::string_view names[] = {"str", "i64", "u128"};

size_t alignment_of(KeyKind kind) { return kind == KeyKind::text ? 1 : kind == KeyKind::integer ? 8 : 16; }

size_t padded(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

} // namespace

std::string build_map(const Keys &keys, const int64_t *value_bounds, const uint32_t *values) {
  std::vector<uint64_t> places;
  const Function function = build_function(keys, places);
  if (!function.complete)
    return {};
  std::string out(names[int(keys.kind)]);
  out.resize(header_bytes);
  put_varint(out, function.level_words.size());
  for (const uint64_t words : function.level_words)
    put_varint(out, words);
  out.append(reinterpret_cast<const char *>(function.bits.data()), function.bits.size() * 8);
  const size_t alignment = alignment_of(keys.kind);
  size_t buckets_at = padded(out.size(), page_bytes);
  buckets_at += padded(buckets_at + 8 * keys.count, alignment) - (buckets_at + 8 * keys.count);
  const uint64_t header[2] = {buckets_at, keys.count};
  std::memcpy(out.data() + 8, header, sizeof(header));
  out.resize(buckets_at + 8 * keys.count);

  const std::vector<uint32_t> ranks = ranks_of(function.bits);
  const size_t entries_at = out.size();
  for (size_t i = 0; i < keys.count; ++i) {
    out.resize(entries_at + padded(out.size() - entries_at, alignment));
    const uint64_t entry = out.size() - entries_at;
    std::memcpy(out.data() + buckets_at + 8 * rank_at(function.bits, ranks, places[i]), &entry, 8);
    out.append(keys[i]);
    if (keys.kind == KeyKind::text)
      out.push_back(text_end);
    out.resize(entries_at + padded(out.size() - entries_at, 4));
    const int64_t count = value_bounds[i + 1] - value_bounds[i];
    store(out, uint32_t(count));
    out.append(reinterpret_cast<const char *>(values + value_bounds[i]), size_t(count) * 4);
  }
  return out;
}

const char *MapFile::open(std::string_view file) {
  file_ = file;
  if (file.size() < header_bytes + 1)
    return "the file is too short for its header";
  const std::string_view name = file.substr(0, 8);
  const auto *found = std::find_if(std::begin(names), std::end(names), [&](std::string_view known) {
    return name.starts_with(known) && name.find_first_not_of('\0', known.size()) == name.npos;
  });
  if (found == std::end(names))
    return "the type of its keys is unknown";
  kind_ = KeyKind(found - std::begin(names));
  const auto buckets_at = load<uint64_t>(file.data() + 8), count = load<uint64_t>(file.data() + 16);
  if (buckets_at > file.size() || count > (file.size() - buckets_at) / 8)
    return "the list of buckets reaches past its end";
  buckets_at_ = size_t(buckets_at);
  count_ = size_t(count);
  size_t at = header_bytes;
  const auto varint = [&](uint64_t &value) {
    value = 0;
    for (int shift = 0; at < buckets_at_ && shift < 64; shift += 7) {
      const auto byte = uint8_t(file[at++]);
      value |= uint64_t(byte & 127) << shift;
      if (byte < 128)
        return true;
    }
    return false;
  };
  uint64_t levels = 0, words = 0;
  if (!varint(levels) || levels > buckets_at_ - at)
    return "the hash function is damaged";
  level_words_.resize(size_t(levels));
  for (uint64_t &level : level_words_) {
    if (!varint(level) || level > buckets_at_)
      return "the hash function is damaged";
    words += level;
  }
  if (words > (buckets_at_ - at) / 8)
    return "the hash function reaches past its place";
  bits_.resize(size_t(words));
  if (words)
    std::memcpy(bits_.data(), file.data() + at, size_t(words) * 8);
  ranks_ = ranks_of(bits_);
  const size_t set = bits_.empty() ? 0 : ranks_.back() + size_t(std::popcount(bits_.back()));
  return set == count_ ? nullptr : "the hash function is of another number of keys";
}

std::optional<size_t> MapFile::bucket_of(std::string_view key) const {
  uint64_t start = 0;
  for (size_t level = 0; level < level_words_.size(); ++level) {
    const uint64_t place = start + slot_of(hash_of(kind_, key, level), level_words_[level] * 64);
    if (level_words_[level] && bits_[place >> 6] >> (place & 63) & 1)
      return rank_at(bits_, ranks_, place);
    start += level_words_[level] * 64;
  }
  return std::nullopt;
}

std::optional<std::pair<std::string_view, MapFile::Values>> MapFile::entry(size_t bucket) const {
  const size_t entries_at = buckets_at_ + 8 * count_;
  const auto offset = load<uint64_t>(file_.data() + buckets_at_ + 8 * bucket);
  if (offset > file_.size() - entries_at)
    return std::nullopt;
  const std::string_view rest = file_.substr(entries_at + size_t(offset));
  size_t size = kind_ == KeyKind::integer ? 8 : 16, past = size;
  if (kind_ == KeyKind::text) {
    size = rest.find(text_end);
    if (size == rest.npos)
      return std::nullopt;
    past = size + 1;
  }
  past = padded(past, 4);
  if (past + 4 > rest.size())
    return std::nullopt;
  const Values values{rest.data() + past + 4, load<uint32_t>(rest.data() + past)};
  if (values.count > (rest.size() - past - 4) / 4)
    return std::nullopt;
  return std::pair{rest.substr(0, size), values};
}

std::optional<MapFile::Values> MapFile::find(std::string_view key) const {
  const auto bucket = bucket_of(key);
  if (!bucket)
    return Values{};
  const auto found = entry(*bucket);
  if (!found)
    return std::nullopt;
  return found->first == key ? found->second : Values{};
}

std::string build_prefix_index(const Keys &keys, const uint32_t *counts) {
  constexpr size_t block_bytes = 4096;
  std::vector<uint32_t> order(keys.count);
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return keys[a] < keys[b]; });
  std::string list, blocks, block;
  uint64_t block_count = 0, postings = 0;
  uint32_t in_block = 0;
  std::string_view first, previous;
  const auto close = [&] {
    store(list, uint32_t(block.size()));
    store(list, in_block);
    store(list, uint32_t(first.size()));
    store(list, uint32_t(0));
    store(list, postings);
    list.append(first);
    blocks.append(block);
    block.clear();
    ++block_count;
    in_block = 0;
    postings = 0;
  };
  for (const uint32_t i : order) {
    const std::string_view key = keys[i];
    if (block.size() >= block_bytes)
      close();
    size_t shared = 0;
    if (in_block == 0)
      first = key;
    else
      shared = size_t(std::mismatch(previous.begin(), previous.end(), key.begin(), key.end()).first - previous.begin());
    store(block, uint32_t(shared));
    store(block, uint32_t(key.size() - shared));
    store(block, counts[i]);
    block.append(key.substr(shared));
    postings += counts[i];
    ++in_block;
    previous = key;
  }
  if (in_block > 0)
    close();
  std::string out("QdrPrfx\0", 8);
  store(out, uint32_t(1));
  store(out, uint32_t(0));
  store(out, uint64_t(keys.count));
  store(out, block_count);
  store(out, uint64_t(list.size()));
  return out + list + blocks;
}

} // namespace edgeshard::payload
