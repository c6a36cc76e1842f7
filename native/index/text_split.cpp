#include "index/text_split.hpp"

#include <array>
#include <cstring>

#include "codec/unicode.hpp"

namespace edgeshard::text {
namespace {

// What an ASCII byte is to the word splitter: its lower-case form if it belongs to a token, 0 if it separates.
constexpr std::array<char, 128> ascii_word = [] {
    std::array<char, 128> table{};
    for (char c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = c;
    for (char c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = c;
    for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = static_cast<char>(c + 32);
    return table;
}();

std::uint32_t token_hash(std::string_view token) {
    std::uint64_t hash = 0x9E3779B97F4A7C15ull ^ token.size();
    std::size_t at = 0;
    for (; at + 8 <= token.size(); at += 8) {
        std::uint64_t block;
        std::memcpy(&block, token.data() + at, 8);
        hash = (hash ^ block) * 0xFF51AFD7ED558CCDull;
        hash ^= hash >> 32;
    }
    std::uint64_t tail = 0;
    std::memcpy(&tail, token.data() + at, token.size() - at);
    hash = (hash ^ tail) * 0xC4CEB9FE1A85EC53ull;
    return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

bool is_word_char(std::uint32_t code) { return unicode::has(unicode::alphanumeric, code); }
bool is_upper(std::uint32_t code) { return unicode::has(unicode::uppercase, code); }
// Of the characters of a word: neither a capital nor a number.
bool is_lower(std::uint32_t code) { return !is_upper(code) && !unicode::has(unicode::numeric, code); }

// Normalises tokens and hands their numbers on.
class Sink {
public:
    Sink(const SplitOptions &options, Vocabulary &vocabulary, std::vector<std::uint32_t> &numbers)
        : options_(options), vocabulary_(vocabulary), numbers_(numbers) {}

    void add(std::string_view raw) {
        if (raw.empty()) return;
        std::string_view token = raw;
        if (options_.folding && !unicode::is_ascii(token)) {
            folded_.clear();
            unicode::append_folded(folded_, token);
            token = folded_;
        }
        if (options_.lowercase) {
            lowered_.clear();
            unicode::append_lower(lowered_, token);
            token = lowered_;
        }
        numbers_.push_back(vocabulary_.add(token));
    }

    // For a token known to be ASCII, given with its lower-case form.
    void add_ascii(std::string_view raw, std::string_view lowered) {
        numbers_.push_back(vocabulary_.add(options_.lowercase ? lowered : raw));
    }

private:
    const SplitOptions &options_;
    Vocabulary &vocabulary_;
    std::vector<std::uint32_t> &numbers_;
    std::string folded_, lowered_;
};

// Calls found(run) for every maximal run of characters of which belongs(code) holds.
template <typename Belongs, typename Found>
void for_each_run(std::string_view text, Belongs belongs, Found found) {
    std::size_t start = 0, at = 0;
    while (at < text.size()) {
        const std::size_t here = at;
        if (belongs(unicode::decode(text, at))) continue;
        if (here > start) found(text.substr(start, here - start));
        start = at;
    }
    if (text.size() > start) found(text.substr(start));
}

// Words of a text; tokens of ASCII characters only are lower-cased while they are scanned.
void split_words(std::string_view text, Sink &sink) {
    std::array<char, 512> small;
    std::string large(text.size() > small.size() ? text.size() : 0, '\0');
    char *const lowered = large.empty() ? small.data() : large.data();  // of its ASCII characters, at their places
    std::size_t start = 0, at = 0;
    bool ascii = true;
    const auto finish = [&](std::size_t end) {
        if (end > start) {
            const std::string_view raw = text.substr(start, end - start);
            if (ascii) sink.add_ascii(raw, {lowered + start, end - start});
            else sink.add(raw);
        }
        ascii = true;
    };
    while (at < text.size()) {
        const std::size_t here = at;
        const auto byte = static_cast<unsigned char>(text[at]);
        if (byte < 0x80) {
            ++at;
            if (const char low = ascii_word[byte]) {
                lowered[here] = low;
                continue;
            }
        } else if (is_word_char(unicode::decode(text, at))) {
            ascii = false;
            continue;
        }
        finish(here);
        start = at;
    }
    finish(text.size());
}

// The words the multilingual tokenizer finds in ASCII text, lower-cased.
void split_simple(std::string_view text, Sink &sink) {
    constexpr std::string_view symbols = "$<=>^|~";
    std::string lowered;
    bool letter = false;
    const auto finish = [&] {
        if (letter) sink.add_ascii(lowered, lowered);
        lowered.clear();
        letter = false;
    };
    for (const char c : text) {
        const char low = static_cast<unsigned char>(c) < 0x80 ? ascii_word[static_cast<std::size_t>(c)] : '\0';
        if (low || symbols.find(c) != std::string_view::npos) {
            lowered.push_back(low ? low : c);
            letter |= low >= 'a';
        } else {
            finish();
        }
    }
    finish();
}

// Whether the capitals before `at` go on as a plural ("IDs", "getURLsAnd"): an s that no lower-case letter follows.
bool is_plural_s(std::string_view word, std::size_t at) {
    if (word[at] != 's') return false;
    return ++at == word.size() || !is_lower(unicode::decode(word, at));
}

// Cuts a word at every lower-case or digit -> upper-case step and before the last capital of a run of capitals
// that a lower-case letter follows ("HTTPServer2Go" -> HTTP, Server2, Go; but "getURLs" -> get, URLs).
void camel_parts(std::string_view word, std::vector<std::string_view> &parts) {
    std::size_t start = 0, at = 0;
    std::uint32_t before = 0;
    while (at < word.size()) {
        const std::size_t here = at;
        const std::uint32_t code = unicode::decode(word, at);
        if (here > start && is_upper(code)) {
            std::size_t next = at;
            const bool starts_word =
                at < word.size() && is_lower(unicode::decode(word, next)) && !is_plural_s(word, at);
            if (!is_upper(before) || starts_word) {
                parts.push_back(word.substr(start, here - start));
                start = here;
            }
        }
        before = code;
    }
    if (start < word.size()) parts.push_back(word.substr(start));
}

std::string without_underscores(std::string_view identifier) {
    std::string joined;
    for (const char c : identifier)
        if (c != '_') joined.push_back(c);
    return joined;
}

void split_identifier(std::string_view identifier, bool parts_only, Sink &sink) {
    if (identifier[0] >= '0' && identifier[0] <= '9') return sink.add(without_underscores(identifier));
    std::size_t words = 0;
    std::vector<std::string_view> parts;
    for_each_run(
        identifier, [](std::uint32_t code) { return code != '_'; },
        [&](std::string_view word) {
            parts.clear();
            camel_parts(word, parts);
            for (const auto part : parts) sink.add(part);
            if (parts.size() > 1 && !parts_only) sink.add(word);
            ++words;
        });
    if (words > 1 && !parts_only) sink.add(without_underscores(identifier));
}

}  // namespace

Vocabulary::Vocabulary() : slots_(64) { arena_.reserve(512); }

void Vocabulary::grow() {
    std::vector<std::uint32_t> wider(slots_.size() * 2);
    for (std::uint32_t number = 0; number < tokens_.size(); ++number) {
        std::size_t slot = tokens_[number].hash & (wider.size() - 1);
        while (wider[slot]) slot = (slot + 1) & (wider.size() - 1);
        wider[slot] = number + 1;
    }
    slots_.swap(wider);
}

std::uint32_t Vocabulary::add(std::string_view token) {
    const std::uint32_t hash = token_hash(token);
    std::size_t slot = hash & (slots_.size() - 1);
    while (const std::uint32_t held = slots_[slot]) {
        if (tokens_[held - 1].hash == hash && this->token(held - 1) == token) return held - 1;
        slot = (slot + 1) & (slots_.size() - 1);
    }
    const auto number = static_cast<std::uint32_t>(tokens_.size());
    slots_[slot] = number + 1;
    tokens_.push_back({arena_.size(), static_cast<std::uint32_t>(token.size()), hash});
    arena_ += token;
    if (tokens_.size() * 2 > slots_.size()) grow();
    return number;
}

std::uint32_t Vocabulary::find(std::string_view token) const {
    const std::uint32_t hash = token_hash(token);
    std::size_t slot = hash & (slots_.size() - 1);
    while (const std::uint32_t held = slots_[slot]) {
        if (tokens_[held - 1].hash == hash && this->token(held - 1) == token) return held - 1;
        slot = (slot + 1) & (slots_.size() - 1);
    }
    return UINT32_MAX;
}

void split_text(std::string_view text, const SplitOptions &options, Vocabulary &vocabulary,
                std::vector<std::uint32_t> &numbers) {
    Sink sink(options, vocabulary, numbers);
    // Joined forms exist for case-insensitive search only.
    const bool parts_only = options.splitter == Splitter::code_parts || !options.lowercase;
    switch (options.splitter) {
        case Splitter::word:
            return split_words(text, sink);
        case Splitter::whitespace:
            return for_each_run(
                text, [](std::uint32_t code) { return !unicode::has(unicode::white_space, code); },
                [&](std::string_view run) { sink.add(run); });
        case Splitter::whole:
            return sink.add(text);
        case Splitter::simple:
            return split_simple(text, sink);
        case Splitter::code:
        case Splitter::code_parts:
            return for_each_run(
                text, [](std::uint32_t code) { return code == '_' || is_word_char(code); },
                [&](std::string_view run) { split_identifier(run, parts_only, sink); });
    }
}

std::uint32_t murmur3_32(std::string_view bytes) {
    const auto scramble = [](std::uint32_t k) {
        k *= 0xCC9E2D51u;
        k = k << 15 | k >> 17;
        return k * 0x1B873593u;
    };
    const auto block_at = [&](std::size_t at, std::size_t count) {
        std::uint32_t block = 0;
        for (std::size_t i = 0; i < count; ++i)
            block |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
        return block;
    };
    std::uint32_t hash = 0;
    std::size_t at = 0;
    for (; at + 4 <= bytes.size(); at += 4) {
        hash ^= scramble(block_at(at, 4));
        hash = (hash << 13 | hash >> 19) * 5 + 0xE6546B64u;
    }
    hash ^= scramble(block_at(at, bytes.size() - at));
    hash ^= static_cast<std::uint32_t>(bytes.size());
    hash = (hash ^ hash >> 16) * 0x85EBCA6Bu;
    hash = (hash ^ hash >> 13) * 0xC2B2AE35u;
    return hash ^ hash >> 16;
}

std::uint32_t token_id(std::string_view token) {
    const std::uint32_t hash = murmur3_32(token);
    return hash > 0x80000000u ? 0u - hash : hash;
}

}  // namespace edgeshard::text
