// UTF-8 and the Unicode properties tokenizers ask for. Input is UTF-8 that Python has validated; a
// damaged sequence decodes to U+FFFD and never reads past the end.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "codec/unicode_tables.hpp"

namespace edgeshard::unicode {

inline bool has(const Property &property, std::uint32_t code) {
    std::size_t page = code >> 8;
    if (page >= property.page_count) page = property.page_count - 1;
    return property.blocks[property.pages[page]][(code >> 3) & 31] >> (code & 7) & 1;
}

// The code point at `at`, which is moved past it; `at` must be below text.size().
std::uint32_t decode(std::string_view text, std::size_t &at);

// Appends the UTF-8 form of a code point.
void append(std::string &out, std::uint32_t code);

// The single code point `code` lower-cases to (U+0130, the one exception, gives 'i').
std::uint32_t lower(std::uint32_t code);

// Appends the full lower-case form of `text`: U+0130 becomes "i" + U+0307, and a capital sigma at the end of a
// word the final sigma (The Unicode Standard, 3.13, condition Final_Sigma, with `text` as the whole context).
void append_lower(std::string &out, std::string_view text);

// Appends `text` with every character that has an ASCII look-alike replaced by it, as Lucene's
// ASCIIFoldingFilter does; other characters stay.
void append_folded(std::string &out, std::string_view text);

bool is_ascii(std::string_view text);

// Number of code points.
std::size_t length(std::string_view text);

// The first `count` code points of `text`, or all of it.
std::string_view prefix(std::string_view text, std::size_t count);

}  // namespace edgeshard::unicode
