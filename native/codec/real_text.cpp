// Libraries that do not announce <charconv> for reals (that of macOS) have the functions of C, which go by the locale.
#include "codec/real_text.hpp"

#include <charconv>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

namespace edgeshard {
namespace {

// While it lives, numbers of this thread have a decimal point, not a comma.
class PlainLocale {
public:
    PlainLocale() : before_(uselocale(plain())) {}
    ~PlainLocale() { uselocale(before_); }
    PlainLocale(const PlainLocale &) = delete;
    PlainLocale &operator=(const PlainLocale &) = delete;

private:
    static locale_t plain() {
        static const locale_t made = newlocale(LC_ALL_MASK, "C", nullptr);
        return made;
    }
    locale_t before_;
};

}  // namespace

double parse_real(std::string_view text) {
#if defined(__cpp_lib_to_chars)
    double value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec == std::errc()) return value;
#endif
    const PlainLocale plain;
    return std::strtod(std::string(text).c_str(), nullptr);  // also decides overflow and underflow
}

size_t scientific(double value, char *out, size_t capacity) {
#if defined(__cpp_lib_to_chars)
    return size_t(std::to_chars(out, out + capacity, value, std::chars_format::scientific).ptr - out);
#else
    const PlainLocale plain;
    for (int precision = 0;; ++precision) {
        const int size = std::snprintf(out, capacity, "%.*e", precision, value);
        if (precision == 17 || std::strtod(out, nullptr) == value) return size_t(size);
    }
#endif
}

}  // namespace edgeshard
