// The two entropy codes of Zstandard (RFC 8878, section 4): finite-state (FSE) and Huffman.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace edgeshard::zstd {

// Bytes read from the front; every access is checked.
class Bytes {
public:
  Bytes(const uint8_t *data, size_t size) : at_(data), left_(size) {}

  size_t left() const { return left_; }
  const uint8_t *data() const { return at_; }
  // A little-endian number of up to 8 bytes.
  bool number(size_t width, uint64_t &value) {
    value = 0;
    if (left_ < width)
      return false;
    for (size_t i = 0; i < width; ++i)
      value |= uint64_t(at_[i]) << 8 * i;
    at_ += width;
    left_ -= width;
    return true;
  }
  bool take(size_t count, Bytes &part) {
    if (left_ < count)
      return false;
    part = {at_, count};
    at_ += count;
    left_ -= count;
    return true;
  }

private:
  const uint8_t *at_;
  size_t left_;
};

// Bits read from the end of a buffer towards its front. The highest set bit of the last byte marks the end and is not
// one of them. Bits before the front are zero; `at()` is negative then.
class BackwardBits {
public:
  // False if there is no end mark.
  bool open(const Bytes &bytes) {
    data_ = bytes.data();
    size_ = int64_t(bytes.left());
    if (size_ == 0 || data_[size_ - 1] == 0)
      return false;
    at_ = size_ * 8 - std::countl_zero(data_[size_ - 1]) - 1;
    return true;
  }
  // Up to 32 bits.
  uint64_t read(int count) {
    at_ -= count;
    const int64_t from = at_ < 0 ? 0 : at_;
    const int64_t bits = at_ + count - from;
    if (bits <= 0)
      return 0;
    const int64_t byte = from >> 3;
    uint64_t word = 0;
    std::memcpy(&word, data_ + byte, size_t(size_ - byte < 8 ? size_ - byte : 8));
    word = word >> (from & 7) & ((uint64_t(1) << bits) - 1);
    return word << (from - at_);
  }
  // Bits left.
  int64_t at() const { return at_; }

private:
  const uint8_t *data_ = nullptr;
  int64_t size_ = 0, at_ = 0;
};

// A finite-state code.
class StateTable {
public:
  struct Cell {
    uint8_t symbol;
    uint8_t bits;
    uint16_t base;
  };

  // From the share of each symbol in 1 << `log`; -1 is a share less than one.
  bool build(const std::vector<int16_t> &shares, int log);
  // A code of one symbol.
  void build_single(uint8_t symbol);
  // From its description, which is taken off the front of `bytes`.
  bool read(Bytes &bytes, int most_log, size_t most_symbols);

  bool ready() const { return !cells_.empty(); }
  int log() const { return log_; }
  const Cell &operator[](size_t state) const { return cells_[state]; }

private:
  std::vector<Cell> cells_;
  int log_ = 0;
};

// One state walking through a table.
class State {
public:
  void start(const StateTable &table, BackwardBits &bits) {
    table_ = &table;
    state_ = size_t(bits.read(table.log()));
  }
  uint8_t symbol() const { return (*table_)[state_].symbol; }
  void step(BackwardBits &bits) {
    const StateTable::Cell cell = (*table_)[state_];
    state_ = cell.base + size_t(bits.read(cell.bits));
  }

private:
  const StateTable *table_ = nullptr;
  size_t state_ = 0;
};

// A Huffman code of bytes.
class HuffmanTable {
public:
  // From its description, which is taken off the front of `bytes`.
  bool read(Bytes &bytes);
  bool ready() const { return !cells_.empty(); }
  // Decodes a whole stream into exactly `count` bytes.
  bool decode(const Bytes &stream, uint8_t *out, size_t count) const;

private:
  struct Cell {
    uint8_t symbol;
    uint8_t bits;
  };

  bool build(std::vector<uint8_t> weights);

  std::vector<Cell> cells_;
  int most_bits_ = 0;
};

}  // namespace edgeshard::zstd
