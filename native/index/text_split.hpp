// Splitting texts into tokens (folded and lower-cased on request) and numbering distinct ones.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace edgeshard::text {

enum class Splitter : int {
    word = 0,        // maximal runs of alphanumeric characters
    whitespace = 1,  // maximal runs of anything but white space
    code = 2,        // identifiers, the words in them, and the camel-case parts of those words
    code_parts = 3,  // of these the smallest parts only: what phrase positions count
    whole = 4,       // the text as one token
    simple = 5,      // of ASCII: runs of letters, digits and $<=>^|~ with a letter among them
};

struct SplitOptions {
    Splitter splitter = Splitter::word;
    bool lowercase = true;
    bool folding = false;
};

// Distinct tokens, numbered from 0 in order of first use. The bytes live in one arena.
class Vocabulary {
public:
    Vocabulary();
    // The number of `token`, new or known.
    std::uint32_t add(std::string_view token);
    // The number of `token`, UINT32_MAX if it is unknown.
    std::uint32_t find(std::string_view token) const;
    std::size_t size() const { return tokens_.size(); }
    std::string_view token(std::size_t number) const {
        return std::string_view(arena_).substr(tokens_[number].start, tokens_[number].size);
    }

private:
    struct Entry {
        std::size_t start;
        std::uint32_t size;
        std::uint32_t hash;
    };
    void grow();

    std::string arena_;
    std::vector<Entry> tokens_;
    std::vector<std::uint32_t> slots_;  // open addressing: token number + 1, 0 is free
};

// Appends the numbers of the tokens of `text`, in text order with repeats.
void split_text(std::string_view text, const SplitOptions &options, Vocabulary &vocabulary,
                std::vector<std::uint32_t> &numbers);

// murmur3_x86_32 (Austin Appleby, public domain) with seed 0.
std::uint32_t murmur3_32(std::string_view bytes);

// The sparse dimension of a token: |int32(murmur3_32(utf8))|.
std::uint32_t token_id(std::string_view token);

}  // namespace edgeshard::text
