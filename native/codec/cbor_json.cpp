#include "codec/cbor_json.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

#include "codec/real_text.hpp"

namespace edgeshard::cbor {
namespace {

bool valid_utf8(std::string_view text) {
    const uint8_t *p = reinterpret_cast<const uint8_t *>(text.data()), *end = p + text.size();
    while (p < end) {
        if (end - p >= 8) {
            uint64_t word;
            std::memcpy(&word, p, 8);
            if (!(word & 0x8080808080808080ull)) {
                p += 8;
                continue;
            }
        }
        if (*p < 0x80) {
            ++p;
            continue;
        }
        const int more = *p >= 0xF0 ? 3 : *p >= 0xE0 ? 2 : 1;
        if (*p < 0xC2 || *p > 0xF4 || end - p <= more) return false;
        uint32_t code = *p & (0x3F >> more);
        for (int i = 1; i <= more; ++i) {
            if ((p[i] & 0xC0) != 0x80) return false;
            code = code << 6 | (p[i] & 0x3F);
        }
        constexpr uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
        if (code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
        p += more + 1;
    }
    return true;
}

/// The rules of gridstore payloads: plain up to 16 digits before the point and 5 zeros behind it, else an exponent.
void write_double(double value, Buffer &out) {
    if (!std::isfinite(value)) return out.append("null");
    if (std::signbit(value)) out.push('-');
    value = std::fabs(value);
    if (value == 0) return out.append("0.0");
    char raw[40];
    const std::string_view text(raw, scientific(value, raw, sizeof raw));
    const size_t e = text.find('e');
    const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
    std::string digits(text.substr(0, 1));
    if (e > 2) digits += text.substr(2, e - 2);
    const int point = exponent + 1, count = int(digits.size());
    if (point > 0 && point <= 16) {
        if (count <= point) digits.append(size_t(point - count), '0').append(".0");
        else digits.insert(size_t(point), 1, '.');
        return out.append(digits);
    }
    if (point <= 0 && point > -5) return out.append("0." + std::string(size_t(-point), '0') + digits);
    if (count > 1) digits.insert(1, 1, '.');
    out.append(digits + 'e' + (exponent < 0 ? "" : "+") + std::to_string(exponent));
}

void write_string(std::string_view text, Buffer &out) {
    static constexpr char hex[] = "0123456789abcdef";
    out.reserve(text.size() + 2);
    out.push('"');
    size_t start = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        const uint8_t c = uint8_t(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        out.append(text.substr(start, i - start));
        start = i + 1;
        constexpr std::string_view special = "\b\f\n\r\t\"\\", letters = "bfnrt\"\\";
        if (const size_t at = special.find(char(c)); at != special.npos) {
            out.push('\\');
            out.push(uint8_t(letters[at]));
        } else {
            const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            out.append(escape, 6);
        }
    }
    out.append(text.substr(start));
    out.push('"');
}

/// Recursive descent over JSON text, writing CBOR as it goes.
class Transcoder {
public:
    Transcoder(std::string_view json, Buffer &out) : p_(json.data()), end_(p_ + json.size()), write_(out) {}

    const char *run() {
        if (!value(0)) return error_;
        space();
        return p_ == end_ ? nullptr : "text behind the value";
    }

private:
    bool fail(const char *reason) { return error_ = reason, false; }
    void space() {
        while (p_ < end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
    }
    bool literal(std::string_view word) {
        if (size_t(end_ - p_) < word.size() || std::string_view(p_, word.size()) != word) return fail("an unknown word");
        p_ += word.size();
        return true;
    }
    bool value(int depth) {
        if (depth > max_depth) return fail("nested too deeply");
        space();
        if (p_ == end_) return fail("the text ends inside a value");
        switch (*p_) {
            case '{': return container(map, '}', depth);
            case '[': return container(array, ']', depth);
            case '"': return string();
            case 't': return literal("true") && (write_.boolean(true), true);
            case 'f': return literal("false") && (write_.boolean(false), true);
            case 'n': return literal("null") && (write_.null(), true);
            default: return number();
        }
    }
    bool container(Major kind, char close, int depth) {
        const size_t at = write_.begin_container(kind);
        uint64_t count = 0;
        ++p_;
        space();
        if (p_ < end_ && *p_ == close) return ++p_, true;
        for (;;) {
            if (kind == map && !key()) return false;
            if (!value(depth + 1)) return false;
            ++count;
            space();
            if (p_ == end_) return fail("the text ends inside a list");
            if (*p_ == close) break;
            if (*p_++ != ',') return fail("a comma is missing");
        }
        ++p_;
        write_.end_container(at, count);
        return true;
    }
    bool key() {
        space();
        if (p_ == end_ || *p_ != '"') return fail("a key is not a string");
        if (!string()) return false;
        space();
        if (p_ == end_ || *p_++ != ':') return fail("a colon is missing");
        return true;
    }
    bool number() {
        const char *start = p_;
        bool integral = true;
        if (p_ < end_ && *p_ == '-') ++p_;
        const char *digits = p_;
        for (; p_ < end_ && ((*p_ >= '0' && *p_ <= '9') || *p_ == '.' || *p_ == 'e' || *p_ == 'E' || *p_ == '+' || *p_ == '-'); ++p_)
            if (*p_ < '0' || *p_ > '9') integral = false;
        if (p_ == digits || *digits < '0' || *digits > '9') return fail("not a value");
        const std::string_view text(start, size_t(p_ - start));
        if (integral && text != "-0") {
            uint64_t magnitude = 0;
            const auto result = std::from_chars(digits, p_, magnitude);
            if (result.ec == std::errc()) {
                if (digits == start) return write_.head(unsigned_int, magnitude), true;
                if (magnitude <= uint64_t(1) << 63) return write_.head(negative_int, magnitude - 1), true;
            }
        }
        write_.number(parse_real(text));
        return true;
    }
    bool string() {
        const char *start = ++p_;
        while (p_ < end_ && *p_ != '"' && *p_ != '\\') ++p_;
        if (p_ == end_) return fail("the text ends inside a string");
        if (*p_ == '"') {
            write_.string({start, size_t(p_ - start)});
            return ++p_, true;
        }
        std::string plain(start, size_t(p_ - start));
        while (p_ < end_ && *p_ != '"')
            if (*p_ != '\\') plain += *p_++;
            else if (!escape(plain)) return false;
        if (p_ == end_) return fail("the text ends inside a string");
        ++p_;
        write_.string(plain);
        return true;
    }
    bool escape(std::string &plain) {
        if (++p_ == end_) return fail("the text ends inside a string");
        const char c = *p_++;
        constexpr std::string_view letters = "bfnrt\"\\/", meaning = "\b\f\n\r\t\"\\/";
        if (const size_t at = letters.find(c); at != letters.npos) return plain += meaning[at], true;
        uint32_t code = 0, low = 0;
        if (c != 'u' || !hex4(code)) return fail("an unknown escape");
        if (code >= 0xD800 && code < 0xDC00) {
            if (end_ - p_ < 6 || *p_++ != '\\' || *p_++ != 'u' || !hex4(low) || low < 0xDC00 || low > 0xDFFF)
                return fail("half a surrogate pair");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC00 && code < 0xE000) {
            return fail("half a surrogate pair");
        }
        append_utf8(code, plain);
        return true;
    }
    bool hex4(uint32_t &code) {
        if (end_ - p_ < 4) return false;
        const auto result = std::from_chars(p_, p_ + 4, code, 16);
        if (result.ptr != p_ + 4) return false;
        p_ += 4;
        return true;
    }
    static void append_utf8(uint32_t code, std::string &out) {
        if (code < 0x80) {
            out += char(code);
            return;
        }
        const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        constexpr uint8_t lead[4] = {0, 0xC0, 0xE0, 0xF0};
        out += char(lead[more] | code >> 6 * more);
        for (int i = more - 1; i >= 0; --i) out += char(0x80 | (code >> 6 * i & 0x3F));
    }

    const char *p_, *end_;
    const char *error_ = nullptr;
    Writer write_;
};

bool joined(Reader &reader, const Item &item, Buffer &scratch, std::string_view &out) {
    if (!item.indefinite()) return out = item.chunk, true;
    scratch.clear();
    Item part;
    for (;;) {
        if (!reader.next(part)) return false;
        if (part.is_break()) break;
        if (part.major != item.major || part.indefinite()) return reader.fail("a part of a string is no string");
        scratch.append(part.chunk);
    }
    out = {reinterpret_cast<const char *>(scratch.data()), scratch.size()};
    return true;
}

bool json_value(Reader &reader, const Item &item, Buffer &out, Buffer &scratch, int depth);

bool json_list(Reader &reader, const Item &item, Buffer &out, Buffer &scratch, int depth) {
    const bool is_map = item.major == map;
    out.push(is_map ? '{' : '[');
    Item inner;
    std::string_view key;
    for (uint64_t i = 0; item.indefinite() || i < item.value; ++i) {
        if (!reader.next(inner)) return false;
        if (inner.is_break() && item.indefinite()) break;
        if (i) out.push(',');
        if (is_map) {
            if (!read_text(reader, inner, scratch, key)) return false;
            write_string(key, out);
            out.push(':');
            if (!reader.next(inner)) return false;
        }
        if (!json_value(reader, inner, out, scratch, depth + 1)) return false;
    }
    out.push(is_map ? '}' : ']');
    return true;
}

bool json_value(Reader &reader, const Item &item, Buffer &out, Buffer &scratch, int depth) {
    if (depth > max_depth) return reader.fail("nested too deeply");
    std::string_view string;
    char raw[24];
    switch (item.major) {
        case unsigned_int: out.append({raw, size_t(std::to_chars(raw, raw + 24, item.value).ptr - raw)}); return true;
        case negative_int:
            if (item.value >> 63) return write_double(-1.0 - double(item.value), out), true;
            out.append({raw, size_t(std::to_chars(raw, raw + 24, int64_t(~item.value)).ptr - raw)});
            return true;
        case text:
            if (!read_text(reader, item, scratch, string)) return false;
            return write_string(string, out), true;
        case array:
        case map: return json_list(reader, item, out, scratch, depth);
        case simple:
            if (item.is_float()) return write_double(item.number, out), true;
            if (item.is_null()) return out.append("null"), true;
            if (item.info == 20) return out.append("false"), true;
            if (item.info == 21) return out.append("true"), true;
            return reader.fail("an unknown simple value");
        default: return reader.fail("a payload cannot hold bytes");
    }
}

}  // namespace

const char *from_json(std::string_view json, Buffer &out) {
    out.reserve(json.size() + 16);
    return Transcoder(json, out).run();
}

bool to_json(Reader &reader, const Item &item, Buffer &out) {
    Buffer scratch;
    return json_value(reader, item, out, scratch, 0);
}

bool read_text(Reader &reader, const Item &item, Buffer &scratch, std::string_view &string) {
    if (item.major != text) return reader.fail("text was expected");
    if (!joined(reader, item, scratch, string)) return false;
    return valid_utf8(string) || reader.fail("text that is not UTF-8");
}

bool read_bytes(Reader &reader, const Item &item, Buffer &scratch, std::string_view &string) {
    if (item.major != bytes) return reader.fail("bytes were expected");
    return joined(reader, item, scratch, string);
}

}  // namespace edgeshard::cbor
