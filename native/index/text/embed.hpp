// Sparse embeddings of texts: which dimension every distinct token stands for, remembered from text to text, and the
// BM25 weights of one text.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "index/text_split.hpp"

namespace edgeshard::text {

// Numbers of split tokens, and the dimensions each of them becomes: none for a stop word, several for prefixes.
class TokenDimensions {
public:
    // The number of `token`, whose dimensions may not be known yet.
    std::uint32_t number_of(std::string_view token) { return vocabulary_.add(token); }
    Vocabulary &vocabulary() { return vocabulary_; }
    std::size_t size() const { return vocabulary_.size(); }
    bool knows(std::uint32_t number) const { return number < known_.size() && known_[number].start != unknown; }
    void learn(std::uint32_t number, std::span<const std::uint32_t> dimensions);
    // The dimensions of a token that is known.
    std::span<const std::uint32_t> of(std::uint32_t number) const {
        return {dimensions_.data() + known_[number].start, known_[number].size};
    }

private:
    static constexpr std::uint32_t unknown = UINT32_MAX;
    struct Entry {
        std::uint32_t start = unknown;
        std::uint32_t size = 0;
    };
    Vocabulary vocabulary_;
    std::vector<Entry> known_;
    std::vector<std::uint32_t> dimensions_;
};

// What a stem becomes: itself if its length in characters is within the limits, or prefixes of it.
struct TokenForms {
    std::size_t min_len;
    std::size_t max_len;
    bool every_prefix;  // all prefixes from min_len to max_len
    bool cut;           // cut to max_len if it has min_len
};

// Sets `dimensions` to those of the forms of a stem.
void dimensions_of(std::string_view stem, const TokenForms &forms, std::vector<std::uint32_t> &dimensions);

struct Bm25Shape {
    double k;            // how fast repeats saturate
    double b;            // how much the length counts, 0 to 1
    double average_len;  // tokens of an average text
};

// Puts the distinct ones of `dimensions` (one item per token, in any order) first in it, ascending, and sets `weights` to
// theirs; returns how many they are. Source of the weights: Robertson and Zaragoza, The Probabilistic Relevance
// Framework: BM25 and Beyond, 2009, section 3, without the inverse document frequency.
std::size_t embed_document(std::vector<std::uint32_t> &dimensions, const Bm25Shape &shape, std::vector<float> &weights);

// The same with weight 1 for each.
std::size_t embed_query(std::vector<std::uint32_t> &dimensions, std::vector<float> &weights);

}  // namespace edgeshard::text
