#include "codec/json_scan.hpp"

#include <bitset>
#include <charconv>
#include <cstring>

#include "codec/real_text.hpp"
#include "codec/unicode.hpp"

namespace edgeshard::json {

const char Scanner::stop_marker_ = 0;

const char *Scanner::fail(const char *at, const char *reason) {
  if (reason_ == nullptr) {
    reason_ = at >= end_ ? "the text ends too early" : reason;
    failed_at_ = at;
  }
  return nullptr;
}

Kind Scanner::kind(const char *at) const {
  if (at >= end_)
    return Kind::damaged;
  switch (*at) {
  case 'n':
    return Kind::null;
  case 'f':
    return Kind::boolean_false;
  case 't':
    return Kind::boolean_true;
  case '"':
    return Kind::string;
  case '[':
    return Kind::array;
  case '{':
    return Kind::object;
  default:
    return *at == '-' || (*at >= '0' && *at <= '9') ? Kind::number : Kind::damaged;
  }
}

const char *Scanner::string_end(const char *at) {
  const char *from = at + 1;
  while (from < end_) {
    const auto *quote = static_cast<const char *>(std::memchr(from, '"', size_t(end_ - from)));
    if (quote == nullptr)
      break;
    const char *slash = quote;
    while (slash > at + 1 && slash[-1] == '\\')
      --slash;
    if ((quote - slash) % 2 == 0)
      return quote + 1;
    from = quote + 1;
  }
  return fail(end_, "the string is not closed");
}

const char *Scanner::literal_end(const char *at) {
  for (std::string_view literal : {"null", "true", "false"})
    if (std::string_view(at, size_t(end_ - at)).substr(0, literal.size()) == literal)
      return at + literal.size();
  return fail(at, "expected a value");
}

const char *Scanner::number_end(const char *at) {
  const auto digits = [&] {
    const char *start = at;
    while (at < end_ && *at >= '0' && *at <= '9')
      ++at;
    return at != start;
  };
  if (at < end_ && *at == '-')
    ++at;
  if (!digits())
    return fail(at, "expected a digit");
  if (at < end_ && *at == '.' && (++at, !digits()))
    return fail(at, "expected a digit");
  if (at < end_ && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at < end_ && (*at == '+' || *at == '-'))
      ++at;
    if (!digits())
      return fail(at, "expected a digit");
  }
  return at;
}

const char *Scanner::value_end(const char *at) {
  switch (kind(at)) {
  case Kind::string:
    return string_end(at);
  case Kind::number:
    return number_end(at);
  case Kind::array:
  case Kind::object:
    break;
  default:
    return literal_end(at);
  }
  std::bitset<max_depth> is_object;
  size_t depth = 0;
  while (at < end_) {
    const char c = *at;
    if (c == '"') {
      at = string_end(at);
      if (at == nullptr)
        return nullptr;
      continue;
    }
    if (c == '[' || c == '{') {
      if (depth == max_depth)
        return fail(at, "nested too deeply");
      is_object[depth++] = c == '{';
    } else if (c == ']' || c == '}') {
      if (is_object[--depth] != (c == '}'))
        return fail(at, "brackets do not match");
      if (depth == 0)
        return at + 1;
    }
    ++at;
  }
  return fail(end_, "a bracket is not closed");
}

namespace {

// The value of four hexadecimal digits at `at`, or -1.
int hex4(std::string_view raw, size_t at) {
  int code = 0;
  if (raw.size() < at + 4)
    return -1;
  const auto result = std::from_chars(raw.data() + at, raw.data() + at + 4, code, 16);
  return result.ptr == raw.data() + at + 4 && raw[at] != '-' ? code : -1;
}

// Appends the character of the four hex digits behind \u at raw[at] (of two such escapes for a surrogate pair); the bytes
// it took, or 0.
size_t append_code_point(std::string &out, std::string_view raw, size_t at) {
  const int first = hex4(raw, at + 2);
  if (first < 0 || (first >= 0xdc00 && first < 0xe000))
    return 0;
  if (first < 0xd800 || first >= 0xe000) {
    unicode::append(out, uint32_t(first));
    return 6;
  }
  if (raw.substr(at + 6, 2) != "\\u")
    return 0;
  const int second = hex4(raw, at + 8);
  if (second < 0xdc00 || second >= 0xe000)
    return 0;
  unicode::append(out, 0x10000 + (uint32_t(first - 0xd800) << 10) + uint32_t(second - 0xdc00));
  return 12;
}

} // namespace

bool append_unescaped(std::string &out, std::string_view raw) {
  size_t at = 0;
  while (at < raw.size()) {
    const size_t slash = raw.find('\\', at);
    out.append(raw.substr(at, slash - at));
    if (slash == std::string_view::npos)
      return true;
    if (slash + 1 >= raw.size())
      return false;
    constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    const size_t which = names.find(raw[slash + 1]);
    if (which != std::string_view::npos) {
      out.push_back(meanings[which]);
      at = slash + 2;
      continue;
    }
    const size_t taken = raw[slash + 1] == 'u' ? append_code_point(out, raw, slash) : 0;
    if (taken == 0)
      return false;
    at = slash + taken;
  }
  return true;
}

bool same_key(std::string_view raw, std::string_view key, std::string &buffer) {
  if (raw == key)
    return key.find('\\') == std::string_view::npos;
  if (raw.size() <= key.size() || raw.find('\\') == std::string_view::npos)
    return false;
  buffer.clear();
  return append_unescaped(buffer, raw) && buffer == key;
}

Number parse_number(std::string_view text) {
  Number number;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number.integer);
  if (result.ec == std::errc() && result.ptr == text.data() + text.size()) {
    number.is_integer = true;
    number.real = double(number.integer);
  } else {
    number.real = parse_real(text);
  }
  return number;
}

} // namespace edgeshard::json
