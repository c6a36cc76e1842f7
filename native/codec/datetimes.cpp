#include "codec/datetimes.hpp"

namespace edgeshard {
namespace {

// The first and the last year of the reference's calendar.
constexpr int64_t min_year = -262143;
constexpr int64_t max_year = 262142;

enum class Form { relaxed, offset, naive };

struct Fields {
  int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micros = 0, offset_seconds = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Reader {
public:
  explicit Reader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool done() const { return at_ == end_; }
  bool take(char c) { return !done() && *at_ == c && ++at_; }

  bool take(std::string_view bytes) {
    const std::string_view rest(at_, size_t(end_ - at_));
    if (rest.substr(0, bytes.size()) != bytes)
      return false;
    at_ += bytes.size();
    return true;
  }

  bool take_letter(char lower) { return !done() && (*at_ | 0x20) == lower && ++at_; }

  // Unicode White_Space.
  bool blank() {
    if (!done() && (*at_ == ' ' || (*at_ >= '\t' && *at_ <= '\r')))
      return ++at_, true;
    for (std::string_view wide : {"\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
                                  "\xe2\x81\x9f", "\xe3\x80\x80"})
      if (take(wide))
        return true;
    if (end_ - at_ >= 3 && at_[0] == '\xe2' && at_[1] == '\x80' && uint8_t(at_[2]) >= 0x80 && uint8_t(at_[2]) <= 0x8a)
      return at_ += 3, true;
    return false;
  }

  void blanks() {
    while (blank()) {
    }
  }

  // Up to `most` digits after blanks; false if there is none. Values beyond 10^9 stay there.
  bool number(int64_t &value, int most) {
    blanks();
    return digits(value, most);
  }

  bool digits(int64_t &value, int most) {
    const char *start = at_;
    for (value = 0; !done() && is_digit(*at_) && at_ - start < most; ++at_)
      value = value < 100000000 ? value * 10 + (*at_ - '0') : 1000000000;
    return at_ != start;
  }

  bool year(int64_t &value) {
    blanks();
    const bool minus = take('-');
    if (!minus && !take('+'))
      return digits(value, 4);
    if (!digits(value, 99))
      return false;
    value = minus ? -value : value;
    return true;
  }

  // ".digits", cut to microseconds; absent is fine, a lone "." is not taken.
  void fraction(int64_t &micros) {
    if (end_ - at_ < 2 || at_[0] != '.' || !is_digit(at_[1]))
      return;
    int64_t unit = 100000;
    for (++at_; !done() && is_digit(*at_); ++at_, unit /= 10)
      micros += unit * (*at_ - '0');
  }

  bool zone(Form form, int64_t &seconds) {
    if (take_letter('z'))
      return true;
    if (form == Form::relaxed && take_letter('u'))
      return take_letter('t') && take_letter('c');
    const bool plus = take('+');
    if (!plus && !take('-') && !take("\xe2\x88\x92")) // U+2212, the minus sign
      return false;
    int64_t hours = 0, minutes = 0;
    if (!two_digits(hours))
      return false;
    while (blank() || take(':')) {
    }
    if (!two_digits(minutes) && (form == Form::relaxed || !done()))
      return false;
    seconds = (hours * 3600 + minutes * 60) * (plus ? 1 : -1);
    return hours <= 23 && minutes <= 59;
  }

private:
  bool two_digits(int64_t &value) {
    if (end_ - at_ < 2 || !is_digit(at_[0]) || !is_digit(at_[1]))
      return false;
    value = (at_[0] - '0') * 10 + (at_[1] - '0');
    at_ += 2;
    return true;
  }

  const char *at_;
  const char *end_;
};

bool read_separator(Reader &in, Form form, char separator) {
  if (form == Form::relaxed)
    in.blanks();
  return in.take(separator);
}

bool read_clock(Reader &in, Form form, Fields &f) {
  if (!in.number(f.hour, 2) || !read_separator(in, form, ':') || !in.number(f.minute, 2))
    return false;
  const bool seconds = read_separator(in, form, ':');
  if (seconds && !in.number(f.second, 2))
    return false;
  if (seconds)
    in.fraction(f.micros);
  if (form == Form::naive)
    return true;
  in.blanks();
  if (!seconds || !in.zone(form, f.offset_seconds))
    return false;
  if (form == Form::relaxed)
    in.blanks();
  return true;
}

bool read(std::string_view text, Form form, Fields &f) {
  Reader in(text);
  if (!in.year(f.year) || !read_separator(in, form, '-') || !in.number(f.month, 2) || !read_separator(in, form, '-') ||
      !in.number(f.day, 2))
    return false;
  if (form == Form::naive && in.done())
    return true;
  if (form == Form::relaxed) {
    if (!in.take_letter('t') && !in.take(' '))
      return false;
  } else {
    in.take('T');
  }
  return read_clock(in, form, f) && in.done();
}

int64_t days_in(int64_t year, int64_t month) {
  constexpr int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days[month - 1] + (month == 2 && leap);
}

bool valid(const Fields &f) {
  return f.year >= min_year && f.year <= max_year && f.month >= 1 && f.month <= 12 && f.day >= 1 &&
         f.day <= days_in(f.year, f.month) && f.hour <= 23 && f.minute <= 59 && f.second <= 60;
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March.
int64_t days_since_epoch(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return 365 * year + floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400) + day_of_year - 719468;
}

} // namespace

std::optional<int64_t> parse_datetime(std::string_view text) {
  for (Form form : {Form::relaxed, Form::offset, Form::naive}) {
    Fields f;
    if (!read(text, form, f))
      continue;
    if (!valid(f))
      return std::nullopt;
    const int64_t seconds =
        days_since_epoch(f.year, f.month, f.day) * 86400 + f.hour * 3600 + f.minute * 60 + f.second - f.offset_seconds;
    // An offset must not carry a date out of the calendar; a leap second belongs to the minute it ends.
    const int64_t inside = seconds - (f.second == 60);
    if (inside < days_since_epoch(min_year, 1, 1) * 86400 || inside >= days_since_epoch(max_year + 1, 1, 1) * 86400)
      return std::nullopt;
    return seconds * 1000000 + f.micros;
  }
  return std::nullopt;
}

} // namespace edgeshard
