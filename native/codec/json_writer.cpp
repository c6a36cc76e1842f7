#include "codec/json_writer.hpp"

#include <charconv>
#include <cstring>

#include "codec/real_text.hpp"

namespace edgeshard {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// The letter after the backslash, 'u' for a hexadecimal escape, 0 for characters written as they are.
constexpr char escape_of(unsigned char c) {
  switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\t': return 't';
    case '\n': return 'n';
    case '\f': return 'f';
    case '\r': return 'r';
    default: return c < 0x20 ? 'u' : 0;
  }
}

struct EscapeTable {
  char letter[256];
  constexpr EscapeTable() : letter{} {
    for (int c = 0; c < 256; ++c) letter[c] = escape_of(static_cast<unsigned char>(c));
  }
};
constexpr EscapeTable kEscapes;

template <typename Integer>
void append_integer(std::string &out, Integer value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

}  // namespace

void json_string(std::string &out, std::string_view utf8) {
  out.push_back('"');
  std::size_t start = 0;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    const char letter = kEscapes.letter[c];
    if (letter == 0) continue;
    out.append(utf8.substr(start, i - start));
    out.push_back('\\');
    out.push_back(letter);
    if (letter == 'u') {
      const char digits[4] = {'0', '0', kHex[c >> 4], kHex[c & 15]};
      out.append(digits, 4);
    }
    start = i + 1;
  }
  out.append(utf8.substr(start));
  out.push_back('"');
}

void json_int(std::string &out, std::int64_t value) { append_integer(out, value); }

void json_uint(std::string &out, std::uint64_t value) { append_integer(out, value); }

void json_double(std::string &out, double value) {
  char text[40];  // the digits are these, the layout is ours
  const char *end = text + scientific(value, text, sizeof text);
  const char *at = text;
  if (*at == '-') out.push_back(*at++);
  char digits[24];
  int count = 0;
  for (; at != end && *at != 'e'; ++at) {
    if (*at != '.') digits[count++] = *at;
  }
  if (at != end) ++at;
  if (at != end && *at == '+') ++at;
  int exponent = 0;
  std::from_chars(at, end, exponent);
  const int point = exponent + 1;  // digits before the decimal point
  if (count <= point && point <= 16) {
    out.append(digits, count);
    out.append(point - count, '0');
    out.append(".0");
  } else if (0 < point && point <= 16) {
    out.append(digits, point);
    out.push_back('.');
    out.append(digits + point, count - point);
  } else if (-5 < point && point <= 0) {
    out.append("0.");
    out.append(-point, '0');
    out.append(digits, count);
  } else {
    out.push_back(digits[0]);
    if (count > 1) {
      out.push_back('.');
      out.append(digits + 1, count - 1);
    }
    out.append(exponent < 0 ? "e" : "e+");
    append_integer(out, exponent);
  }
}

}  // namespace edgeshard
