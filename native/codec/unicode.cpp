#include "codec/unicode.hpp"

#include <algorithm>

#include "codec/unicode_fold.hpp"

namespace edgeshard::unicode {
namespace {

constexpr std::uint32_t replacement = 0xFFFD;
constexpr std::uint32_t capital_sigma = 0x3A3, small_sigma = 0x3C3, final_sigma = 0x3C2;
constexpr std::uint32_t capital_i_with_dot = 0x130, dot_above = 0x307;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Whether a cased character follows position `at`, case-ignorable ones skipped.
bool cased_after(std::string_view text, std::size_t at) {
    while (at < text.size()) {
        const std::uint32_t code = decode(text, at);
        if (!has(case_ignorable, code)) return has(cased, code);
    }
    return false;
}

// Whether a cased character stands before position `at`, case-ignorable ones skipped.
bool cased_before(std::string_view text, std::size_t at) {
    while (at > 0) {
        do --at;
        while (at > 0 && is_continuation(text[at]));
        std::size_t from = at;
        const std::uint32_t code = decode(text, from);
        if (!has(case_ignorable, code)) return has(cased, code);
    }
    return false;
}

}  // namespace

std::uint32_t decode(std::string_view text, std::size_t &at) {
    const auto first = static_cast<unsigned char>(text[at++]);
    if (first < 0x80) return first;
    const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : -1;
    if (more < 0) return replacement;
    std::uint32_t code = first & (0x3F >> more);
    for (int i = 0; i < more; ++i) {
        if (at >= text.size() || !is_continuation(text[at])) return replacement;
        code = code << 6 | (static_cast<unsigned char>(text[at++]) & 0x3F);
    }
    return code < 0x110000 ? code : replacement;
}

void append(std::string &out, std::uint32_t code) {
    if (code < 0x80) {
        out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
        out.push_back(static_cast<char>(0xC0 | code >> 6));
        out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        out.push_back(static_cast<char>(0xE0 | code >> 12));
        out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
        out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    } else {
        out.push_back(static_cast<char>(0xF0 | code >> 18));
        out.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3F)));
        out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
        out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    }
}

std::uint32_t lower(std::uint32_t code) {
    if (code < 0x80) return code - 'A' < 26 ? code + 32 : code;
    if (code == capital_i_with_dot) return 'i';
    const auto *run = std::upper_bound(std::begin(lower_runs), std::end(lower_runs), code,
                                       [](std::uint32_t c, const LowerRun &r) { return c < r.first; });
    if (run == std::begin(lower_runs)) return code;
    --run;
    if (code > run->last || (code - run->first) % static_cast<std::uint32_t>(run->step)) return code;
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(code) + run->delta);
}

void append_lower(std::string &out, std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t start = at;
        const std::uint32_t code = decode(text, at);
        if (code == capital_sigma) {
            append(out, cased_before(text, start) && !cased_after(text, at) ? final_sigma : small_sigma);
        } else {
            append(out, lower(code));
            if (code == capital_i_with_dot) append(out, dot_above);
        }
    }
}

void append_folded(std::string &out, std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t start = at;
        const std::uint32_t code = decode(text, at);
        if (code >= 0x80) {
            const auto *found = std::lower_bound(std::begin(fold_entries), std::end(fold_entries), code,
                                                 [](const FoldEntry &e, std::uint32_t c) { return e.code < c; });
            if (found != std::end(fold_entries) && found->code == code) {
                out += found->ascii;
                continue;
            }
        }
        out += text.substr(start, at - start);
    }
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::size_t length(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string_view prefix(std::string_view text, std::size_t count) {
    std::size_t at = 0;
    while (at < text.size()) {
        if (!is_continuation(text[at]) && count-- == 0) break;
        ++at;
    }
    return text.substr(0, at);
}

}  // namespace edgeshard::unicode
