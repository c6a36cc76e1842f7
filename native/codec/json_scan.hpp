// Walking through raw JSON without building it: what columns and selectors need to get at a few values of a payload.
//
// All pointers stay within the text the scanner was made for, whatever the bytes are. The way to a value is checked
// (keys, colons, commas); values stepped over are checked for closed strings and matching brackets only. A position
// past a value is returned by its functions; nullptr means the text is damaged and `reason()` says how.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace edgeshard::json {

enum class Kind : uint8_t { null, boolean_false, boolean_true, number, string, array, object, damaged };

inline constexpr size_t max_depth = 512;

class Scanner {
public:
  explicit Scanner(std::string_view text) : begin_(text.data()), end_(text.data() + text.size()) {}

  const char *begin() const { return begin_; }
  const char *end() const { return end_; }
  bool failed() const { return reason_ != nullptr; }
  const char *reason() const { return reason_; }
  size_t failed_at() const { return size_t(failed_at_ - begin_); }

  // The first byte at or after `at` that is not white space.
  const char *skip_blanks(const char *at) const {
    while (at < end_ && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
      ++at;
    return at;
  }

  // What starts at `at`, judged by its first byte.
  Kind kind(const char *at) const;

  // Past the string, literal, number or whole value that starts at `at`.
  const char *string_end(const char *at);
  const char *number_end(const char *at);
  const char *value_end(const char *at);

  // Visits the elements of the array at `at`. visit(element) returns the position past the element, or nullptr if it
  // does not know it. Returns the position past the array, nullptr if damaged.
  template <class Visit> const char *each_element(const char *at, Visit &&visit) {
    at = skip_blanks(at + 1);
    if (at < end_ && *at == ']')
      return at + 1;
    for (;;) {
      const char *past = visit(at);
      at = step(at, past, ']');
      if (at == nullptr || at[-1] == ']')
        return at;
      at = skip_blanks(at);
    }
  }

  // Visits the members of the object at `at`. visit(key, value) gets the key between its quotes as it is written and
  // the position of the value, and returns as above, or `stop()` to end the walk. Returns the position past the
  // object, `stop()` or nullptr.
  template <class Visit> const char *each_member(const char *at, Visit &&visit) {
    at = skip_blanks(at + 1);
    if (at < end_ && *at == '}')
      return at + 1;
    for (;;) {
      if (at >= end_ || *at != '"')
        return fail(at, "expected a key");
      const char *past_key = string_end(at);
      if (past_key == nullptr)
        return nullptr;
      const std::string_view key(at + 1, size_t(past_key - at - 2));
      at = skip_blanks(past_key);
      if (at >= end_ || *at != ':')
        return fail(at, "expected ':'");
      at = skip_blanks(at + 1);
      const char *past = visit(key, at);
      if (past == stop())
        return past;
      at = step(at, past, '}');
      if (at == nullptr || at[-1] == '}')
        return at;
      at = skip_blanks(at);
    }
  }

  static const char *stop() { return &stop_marker_; }
  const char *fail(const char *at, const char *reason);

private:
  const char *literal_end(const char *at);

  // From the value at `at`, whose end is `past` if known, over the comma or the closing bracket after it.
  const char *step(const char *at, const char *past, char close) {
    if (failed())
      return nullptr;
    if (past == nullptr)
      past = value_end(at);
    if (past == nullptr)
      return nullptr;
    past = skip_blanks(past);
    if (past >= end_ || (*past != ',' && *past != close))
      return fail(past, close == ']' ? "expected ',' or ']'" : "expected ',' or '}'");
    return past + 1;
  }

  static const char stop_marker_;
  const char *begin_;
  const char *end_;
  const char *reason_ = nullptr;
  const char *failed_at_ = nullptr;
};

// Appends the text of a string written as `raw` between its quotes; false if an escape is wrong.
bool append_unescaped(std::string &out, std::string_view raw);

// Whether a key written as `raw` is `key`. `buffer` is scratch space.
bool same_key(std::string_view raw, std::string_view key, std::string &buffer);

struct Number {
  bool is_integer = false; // fits in 64 bits signed
  int64_t integer = 0;
  double real = 0.0; // the value in any case
};

// The number written as `text`, which number_end() has accepted. An integer beyond 64 bits is a real.
Number parse_number(std::string_view text);

} // namespace edgeshard::json
