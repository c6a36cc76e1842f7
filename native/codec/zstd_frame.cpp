#include "codec/zstd_frame.hpp"

#include <array>
#include <cstring>
#include <vector>

#include "codec/zstd_entropy.hpp"

namespace edgeshard {
namespace {

using namespace zstd;

constexpr uint32_t magic = 0xFD2FB528;
constexpr size_t most_block_bytes = 128 << 10;
constexpr uint8_t most_offset_code = 31;

// What a length code stands for: a base and so many further bits.
struct Length {
  uint32_t base;
  uint8_t bits;
};

constexpr std::array<Length, 36> literal_lengths = [] {
  std::array<Length, 36> table{};
  constexpr uint8_t bits[] = {1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  for (uint32_t code = 0; code < 16; ++code)
    table[code] = {code, 0};
  uint32_t base = 16;
  for (size_t i = 0; i < std::size(bits); ++i) {
    table[16 + i] = {base, bits[i]};
    base += 1u << bits[i];
  }
  return table;
}();
constexpr std::array<Length, 53> match_lengths = [] {
  std::array<Length, 53> table{};
  constexpr uint8_t bits[] = {1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  for (uint32_t code = 0; code < 32; ++code)
    table[code] = {code + 3, 0};
  uint32_t base = 35;
  for (size_t i = 0; i < std::size(bits); ++i) {
    table[32 + i] = {base, bits[i]};
    base += 1u << bits[i];
  }
  return table;
}();

const std::vector<int16_t> literal_shares = {4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2,  2,
                                             2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1};
const std::vector<int16_t> match_shares = {1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1,  1,  1,  1,  1,  1, 1,
                                           1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1, 1,
                                           1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1};
const std::vector<int16_t> offset_shares = {1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1,
                                            1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1};

// One of the three codes of sequences: its usual shares and its limits.
struct Code {
  const std::vector<int16_t> &shares;
  int log;
  int most_log;
  size_t symbols;
};

class Decoder {
public:
  Decoder(uint8_t *target, size_t size) : out_(target), size_(size) {}

  bool frame(Bytes bytes) {
    uint64_t head = 0, skipped = 0;
    if (!bytes.number(4, head) || head != magic || !bytes.number(1, head))
      return false;
    const bool single = head >> 5 & 1;
    const size_t content = (head >> 6) == 0 ? size_t(single) : size_t(1) << (head >> 6);
    constexpr size_t dictionary_bytes[] = {0, 1, 2, 4};
    if ((head >> 3 & 1) || (!single && !bytes.number(1, skipped)))
      return false;
    uint64_t dictionary = 0;
    if (!bytes.number(dictionary_bytes[head & 3], dictionary) || dictionary != 0 || !bytes.number(content, skipped))
      return false;
    for (bool last = false; !last;) {
      uint64_t block = 0;
      if (!bytes.number(3, block))
        return false;
      last = block & 1;
      if (!this->block(bytes, int(block >> 1 & 3), size_t(block >> 3)))
        return false;
    }
    return made_ == size_;
  }

private:
  bool block(Bytes &bytes, int type, size_t size) {
    Bytes part(nullptr, 0);
    if (type == 0)
      return bytes.take(size, part) && append(part.data(), size);
    if (type == 1) {
      if (!bytes.take(1, part) || size > size_ - made_)
        return false;
      std::memset(out_ + made_, part.data()[0], size);
      made_ += size;
      return true;
    }
    return type == 2 && size <= most_block_bytes && bytes.take(size, part) && literals(part) && sequences(part);
  }

  bool append(const uint8_t *data, size_t count) {
    if (count > size_ - made_)
      return false;
    if (count)
      std::memcpy(out_ + made_, data, count);
    made_ += count;
    return true;
  }

  bool literals(Bytes &bytes) {
    if (bytes.left() == 0)
      return false;
    const int type = bytes.data()[0] & 3, form = bytes.data()[0] >> 2 & 3;
    uint64_t head = 0;
    if (type < 2) {
      const size_t width = form == 1 ? 2 : form == 3 ? 3 : 1;
      if (!bytes.number(width, head))
        return false;
      const size_t count = size_t(head >> (width == 1 ? 3 : 4));
      Bytes part(nullptr, 0);
      if (count > most_block_bytes || !bytes.take(type == 0 ? count : 1, part))
        return false;
      if (type == 0)
        literals_.assign(part.data(), part.data() + count);
      else
        literals_.assign(count, part.data()[0]);
      return true;
    }
    const size_t width = form < 2 ? 3 : size_t(form) + 2;
    const int bits = form < 2 ? 10 : form == 2 ? 14 : 18;
    if (!bytes.number(width, head))
      return false;
    const uint64_t mask = (uint64_t(1) << bits) - 1;
    const size_t count = size_t(head >> 4 & mask), packed = size_t(head >> (4 + bits) & mask);
    Bytes part(nullptr, 0);
    if (count > most_block_bytes || !bytes.take(packed, part))
      return false;
    if (type == 2 ? !huffman_.read(part) : !huffman_.ready())
      return false;
    literals_.resize(count);
    return form == 0 ? huffman_.decode(part, literals_.data(), count) : four_streams(part, count);
  }

  bool four_streams(Bytes bytes, size_t count) {
    uint64_t sizes[3];
    for (uint64_t &size : sizes)
      if (!bytes.number(2, size))
        return false;
    const size_t each = (count + 3) / 4;
    if (each * 3 > count)
      return false;
    for (size_t i = 0; i < 4; ++i) {
      Bytes stream(nullptr, 0);
      if (!bytes.take(i < 3 ? size_t(sizes[i]) : bytes.left(), stream) ||
          !huffman_.decode(stream, literals_.data() + i * each, i < 3 ? each : count - 3 * each))
        return false;
    }
    return true;
  }

  static bool read_code(Bytes &bytes, int mode, const Code &code, StateTable &table) {
    uint64_t symbol = 0;
    switch (mode) {
    case 0:
      return table.build(code.shares, code.log);
    case 1:
      if (!bytes.number(1, symbol) || symbol >= code.symbols)
        return false;
      table.build_single(uint8_t(symbol));
      return true;
    case 2:
      return table.read(bytes, code.most_log, code.symbols);
    default:
      return table.ready();
    }
  }

  bool sequences(Bytes bytes) {
    uint64_t count = 0, more = 0;
    if (!bytes.number(1, count))
      return false;
    if (count == 255) {
      if (!bytes.number(2, more))
        return false;
      count = more + 0x7F00;
    } else if (count > 127) {
      if (!bytes.number(1, more))
        return false;
      count = (count - 128) << 8 | more;
    }
    if (count == 0)
      return bytes.left() == 0 && append(literals_.data(), literals_.size());
    uint64_t modes = 0;
    if (!bytes.number(1, modes) || (modes & 3) ||
        !read_code(bytes, int(modes >> 6), {literal_shares, 6, 9, literal_lengths.size()}, literal_code_) ||
        !read_code(bytes, int(modes >> 4 & 3), {offset_shares, 5, 8, most_offset_code + 1}, offset_code_) ||
        !read_code(bytes, int(modes >> 2 & 3), {match_shares, 6, 9, match_lengths.size()}, match_code_))
      return false;
    BackwardBits bits;
    return bits.open(bytes) && copy_sequences(bits, size_t(count));
  }

  bool copy_sequences(BackwardBits &bits, size_t count) {
    State literal, offset, match;
    literal.start(literal_code_, bits);
    offset.start(offset_code_, bits);
    match.start(match_code_, bits);
    size_t used = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint8_t offset_code = offset.symbol();
      const Length matched = match_lengths[match.symbol()], plain = literal_lengths[literal.symbol()];
      const uint64_t value = (uint64_t(1) << offset_code) + bits.read(offset_code);
      const size_t length = matched.base + size_t(bits.read(matched.bits));
      const size_t fresh = plain.base + size_t(bits.read(plain.bits));
      if (bits.at() < 0 || fresh > literals_.size() - used)
        return false;
      if (!append(literals_.data() + used, fresh) || !copy(distance(value, fresh == 0), length))
        return false;
      used += fresh;
      if (i + 1 < count) {
        literal.step(bits);
        match.step(bits);
        offset.step(bits);
      }
    }
    return bits.at() == 0 && append(literals_.data() + used, literals_.size() - used);
  }

  // The distance an offset value stands for: one of the last three, or a new one.
  uint64_t distance(uint64_t value, bool no_literals) {
    if (value > 3) {
      recent_ = {value - 3, recent_[0], recent_[1]};
      return recent_[0];
    }
    const size_t place = size_t(value) - 1 + no_literals;
    const uint64_t found = place < 3 ? recent_[place] : recent_[0] - 1;
    if (place > 1)
      recent_[2] = recent_[1];
    if (place > 0)
      recent_[1] = recent_[0];
    return recent_[0] = found;
  }

  bool copy(uint64_t distance, size_t length) {
    if (distance == 0 || distance > made_ || length > size_ - made_)
      return false;
    for (size_t i = 0; i < length; ++i) // may overlap: a short pattern repeated
      out_[made_ + i] = out_[made_ + i - distance];
    made_ += length;
    return true;
  }

  uint8_t *out_;
  size_t size_, made_ = 0;
  std::vector<uint8_t> literals_;
  HuffmanTable huffman_;
  StateTable literal_code_, offset_code_, match_code_;
  std::array<uint64_t, 3> recent_ = {1, 4, 8};
};

} // namespace

bool zstd_decompress(const uint8_t *source, size_t size, uint8_t *target, size_t target_size) {
  return Decoder(target, target_size).frame({source, size});
}

} // namespace edgeshard
