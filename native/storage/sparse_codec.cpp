#include "storage/sparse_codec.hpp"

#include <algorithm>
#include <bit>

#include "support/load.hpp"

namespace edgeshard {
namespace {

constexpr unsigned kHeadBits = 6, kLeastWidth = 8;

uint8_t *put_u64(uint8_t *out, uint64_t value) {
  for (int i = 0; i < 8; ++i) *out++ = static_cast<uint8_t>(value >> (8 * i));
  return out;
}

unsigned width_of(std::span<const uint32_t> indices) {
  uint32_t all = 0, before = 0;
  for (const uint32_t index : indices) {
    all |= index - before;
    before = index;
  }
  return std::max<unsigned>(kLeastWidth, static_cast<unsigned>(std::bit_width(all)));
}

}  // namespace

void pack_sparse(std::span<const uint32_t> indices, const float *values, std::vector<uint8_t> &out) {
  const unsigned width = width_of(indices);
  const size_t packed = indices.empty() ? 0 : (kHeadBits + indices.size() * width + 7) / 8;
  const size_t start = out.size();
  out.resize(start + 16 + packed + 4 * indices.size());
  uint8_t *at = put_u64(out.data() + start, packed);
  uint64_t bits = width - kLeastWidth;  // at most 7 + 32 bits wait at a time
  unsigned waiting = kHeadBits;
  uint32_t before = 0;
  for (const uint32_t index : indices) {
    bits |= static_cast<uint64_t>(index - before) << waiting;
    before = index;
    for (waiting += width; waiting >= 8; waiting -= 8, bits >>= 8) *at++ = static_cast<uint8_t>(bits);
  }
  if (!indices.empty() && waiting) *at++ = static_cast<uint8_t>(bits);
  at = put_u64(at, indices.size());
  for (size_t i = 0; i < indices.size(); ++i) {
    const uint32_t raw = std::bit_cast<uint32_t>(values[i]);
    for (int shift = 0; shift < 32; shift += 8) *at++ = static_cast<uint8_t>(raw >> shift);
  }
}

int64_t sparse_count(std::span<const uint8_t> data, const char *&reason) {
  reason = nullptr;
  const auto fail = [&](const char *why) {
    reason = why;
    return int64_t{-1};
  };
  if (data.size() < 16) return fail("shorter than its two lengths");
  const uint64_t packed = load<uint64_t>(data.data());
  if (packed > data.size() - 16) return fail("packed indices longer than the value");
  const uint64_t count = load<uint64_t>(&data[8 + packed]);
  if (count != (data.size() - 16 - packed) / 4 || (data.size() - 16 - packed) % 4) return fail("wrong number of values");
  if (packed == 0) return count == 0 ? 0 : fail("values without indices");
  const unsigned width = (data[8] & 63u) + kLeastWidth;
  if (width > 32) return fail("indices wider than 32 bits");
  if ((packed * 8 - kHeadBits) / width != count) return fail("indices and values differ in number");
  return static_cast<int64_t>(count);
}

bool unpack_sparse(std::span<const uint8_t> data, size_t count, uint32_t *indices, float *values) {
  const uint64_t packed = load<uint64_t>(data.data());
  if (count) {
    const uint8_t *at = &data[8], *end = at + packed;
    const unsigned width = (*at & 63u) + kLeastWidth;
    uint64_t bits = *at++ >> kHeadBits, index = 0;
    unsigned have = 8 - kHeadBits;
    for (size_t i = 0; i < count; ++i) {
      for (; have < width && at < end; have += 8) bits |= static_cast<uint64_t>(*at++) << have;
      index += bits & ((uint64_t{1} << width) - 1);
      if (index > UINT32_MAX) return false;
      indices[i] = static_cast<uint32_t>(index);
      bits >>= width;
      have -= width;
    }
  }
  const uint8_t *raw = &data[8 + packed] + 8;
  for (size_t i = 0; i < count; ++i, raw += 4) {
    const uint32_t value = raw[0] | raw[1] << 8 | raw[2] << 16 | static_cast<uint32_t>(raw[3]) << 24;
    values[i] = std::bit_cast<float>(value);
  }
  return true;
}

}  // namespace edgeshard
