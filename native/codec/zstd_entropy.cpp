#include "codec/zstd_entropy.hpp"

namespace edgeshard::zstd {
namespace {

constexpr int most_huffman_bits = 11;
constexpr int most_weight_log = 6;
constexpr size_t most_weights = 255; // the last one is not written

int highest_bit(uint64_t value) { return 63 - std::countl_zero(value); }

// Bits read from the front, low bits of a byte first.
class ForwardBits {
public:
  explicit ForwardBits(const Bytes &bytes) : data_(bytes.data()), size_(bytes.left() * 8) {}

  uint32_t peek(int count) const {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) {
      const size_t bit = at_ + size_t(i);
      if (bit < size_)
        value |= uint32_t(data_[bit >> 3] >> (bit & 7) & 1) << i;
    }
    return value;
  }
  void skip(int count) { at_ += size_t(count); }
  bool inside() const { return at_ <= size_; }
  size_t bytes() const { return (at_ + 7) / 8; }

private:
  const uint8_t *data_;
  size_t size_, at_ = 0;
};

// Weights coded by two states that take turns until the bits are used up.
bool read_weights(Bytes bytes, std::vector<uint8_t> &weights) {
  StateTable table;
  BackwardBits bits;
  if (!table.read(bytes, most_weight_log, 256) || !bits.open(bytes))
    return false;
  State turns[2];
  for (State &state : turns)
    state.start(table, bits);
  if (bits.at() < 0)
    return false;
  for (size_t turn = 0;; turn ^= 1) {
    if (weights.size() + 2 > most_weights)
      return false;
    weights.push_back(turns[turn].symbol());
    turns[turn].step(bits);
    if (bits.at() < 0) {
      weights.push_back(turns[turn ^ 1].symbol());
      return true;
    }
  }
}

} // namespace

bool StateTable::build(const std::vector<int16_t> &shares, int log) {
  const size_t size = size_t(1) << log;
  std::vector<uint16_t> next(shares.size());
  cells_.assign(size, {});
  log_ = log;
  size_t high = size;
  for (size_t symbol = 0; symbol < shares.size(); ++symbol) {
    if (shares[symbol] != -1)
      continue;
    if (high == 0)
      return false;
    cells_[--high].symbol = uint8_t(symbol);
    next[symbol] = 1;
  }
  const size_t stride = (size >> 1) + (size >> 3) + 3;
  size_t place = 0, placed = size - high;
  for (size_t symbol = 0; symbol < shares.size(); ++symbol) {
    if (shares[symbol] <= 0)
      continue;
    next[symbol] = uint16_t(shares[symbol]);
    placed += size_t(shares[symbol]);
    if (placed > size)
      return false;
    for (int16_t i = 0; i < shares[symbol]; ++i) {
      cells_[place].symbol = uint8_t(symbol);
      do
        place = (place + stride) & (size - 1);
      while (place >= high);
    }
  }
  if (placed != size || place != 0)
    return false;
  for (Cell &cell : cells_) {
    const uint16_t state = next[cell.symbol]++;
    cell.bits = uint8_t(log - highest_bit(state));
    cell.base = uint16_t((size_t(state) << cell.bits) - size);
  }
  return true;
}

void StateTable::build_single(uint8_t symbol) {
  cells_.assign(1, {symbol, 0, 0});
  log_ = 0;
}

bool StateTable::read(Bytes &bytes, int most_log, size_t most_symbols) {
  ForwardBits bits(bytes);
  const int log = int(bits.peek(4)) + 5;
  bits.skip(4);
  if (log > most_log)
    return false;
  std::vector<int16_t> shares;
  int left = 1 << log;
  while (left > 0) {
    // A share takes one bit less if it is below a limit, so that all values up to `left` + 1 just fit.
    const int width = highest_bit(uint64_t(left) + 1) + 1;
    const int low = (1 << (width - 1)) - 1, limit = (1 << width) - 1 - (left + 1);
    int value = int(bits.peek(width));
    if ((value & low) < limit) {
      bits.skip(width - 1);
      value &= low;
    } else {
      bits.skip(width);
      if (value > low)
        value -= limit;
    }
    const int share = value - 1;
    left -= share < 0 ? 1 : share;
    shares.push_back(int16_t(share));
    for (uint32_t zeros = share == 0 ? 3 : 0; zeros == 3;) {
      zeros = bits.peek(2);
      bits.skip(2);
      shares.resize(shares.size() + zeros, 0);
      if (!bits.inside())
        return false;
    }
    if (!bits.inside() || shares.size() > most_symbols)
      return false;
  }
  Bytes used(nullptr, 0);
  return left == 0 && bytes.take(bits.bytes(), used) && build(shares, log);
}

bool HuffmanTable::read(Bytes &bytes) {
  uint64_t head = 0;
  if (!bytes.number(1, head))
    return false;
  std::vector<uint8_t> weights;
  Bytes part(nullptr, 0);
  if (head < 128)
    return bytes.take(size_t(head), part) && read_weights(part, weights) && build(std::move(weights));
  const size_t count = size_t(head) - 127;
  if (!bytes.take((count + 1) / 2, part))
    return false;
  for (size_t i = 0; i < count; ++i)
    weights.push_back(i & 1 ? part.data()[i / 2] & 15 : part.data()[i / 2] >> 4);
  return build(std::move(weights));
}

bool HuffmanTable::build(std::vector<uint8_t> weights) {
  cells_.clear();
  uint64_t sum = 0;
  for (const uint8_t weight : weights) {
    if (weight > most_huffman_bits + 1)
      return false;
    sum += weight ? uint64_t(1) << (weight - 1) : 0;
  }
  if (sum == 0)
    return false;
  const int bits = highest_bit(sum) + 1;
  const uint64_t rest = (uint64_t(1) << bits) - sum; // belongs to the last symbol, whose weight is not written
  if (bits > most_huffman_bits || !std::has_single_bit(rest))
    return false;
  weights.push_back(uint8_t(highest_bit(rest) + 1));
  most_bits_ = bits;
  cells_.reserve(size_t(1) << bits);
  for (int weight = 1; weight <= bits; ++weight)
    for (size_t symbol = 0; symbol < weights.size(); ++symbol)
      if (weights[symbol] == weight)
        cells_.insert(cells_.end(), size_t(1) << (weight - 1), {uint8_t(symbol), uint8_t(bits + 1 - weight)});
  return cells_.size() == size_t(1) << bits;
}

bool HuffmanTable::decode(const Bytes &stream, uint8_t *out, size_t count) const {
  BackwardBits bits;
  if (!bits.open(stream))
    return false;
  const size_t mask = cells_.size() - 1;
  size_t state = size_t(bits.read(most_bits_));
  for (size_t i = 0; i < count; ++i) {
    if (bits.at() <= -most_bits_)
      return false;
    const Cell cell = cells_[state];
    out[i] = cell.symbol;
    state = (state << cell.bits & mask) | size_t(bits.read(cell.bits));
  }
  return bits.at() == -most_bits_;
}

} // namespace edgeshard::zstd
