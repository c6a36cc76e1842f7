#include "index/columns_slice.hpp"

#include <bit>

namespace edgeshard {
namespace {

struct SipState {
  uint64_t v0 = 0x736f6d6570736575, v1 = 0x646f72616e646f6d, v2 = 0x6c7967656e657261, v3 = 0x7465646279746573;

  void round() {
    v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
  }

  void absorb(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }

  uint64_t finish() {
    v2 ^= 0xff;
    for (int i = 0; i < 4; ++i)
      round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

uint64_t load_little(const uint8_t *data, size_t size) {
  uint64_t word = 0;
  for (size_t i = 0; i < size; ++i)
    word |= uint64_t(data[i]) << (8 * i);
  return word;
}

uint64_t byte_swapped(uint64_t word) {
  uint64_t swapped = 0;
  for (int i = 0; i < 8; ++i)
    swapped |= ((word >> (8 * i)) & 0xff) << (56 - 8 * i);
  return swapped;
}

} // namespace

uint64_t siphash24(const uint8_t *data, size_t size) {
  SipState state;
  const size_t whole = size / 8 * 8;
  for (size_t at = 0; at < whole; at += 8)
    state.absorb(load_little(data + at, 8));
  state.absorb(load_little(data + whole, size - whole) | uint64_t(size & 0xff) << 56);
  return state.finish();
}

void slice_mask(const uint64_t *low, const uint64_t *high, const bool *is_uuid, size_t count, uint64_t total,
                uint64_t index, bool *out) {
  for (size_t i = 0; i < count; ++i) {
    SipState state;
    if (is_uuid[i]) {
      state.absorb(byte_swapped(high[i]));
      state.absorb(byte_swapped(low[i]));
    } else {
      state.absorb(low[i]);
    }
    state.absorb(uint64_t(is_uuid[i] ? 16 : 8) << 56);
    out[i] = state.finish() % total == index;
  }
}

} // namespace edgeshard
