// The text index of an appendable segment: tokens and postings in memory, kept current as documents change.
#pragma once
#include "index/text/source.hpp"
#include "index/text_split.hpp"

namespace edgeshard::text {

// The tokens of some texts: text t has numbers[bounds[t]..bounds[t + 1]) of `vocabulary`.
struct TokenisedTexts {
    std::vector<std::string_view> vocabulary;
    const uint32_t* numbers;
    const int64_t* bounds;
};

class PlainText final : public TextSource {
public:
    // `separators`: "\0" stands between texts and is no token.
    explicit PlainText(bool separators) : separators_(separators) {}

    // Replaces documents: document i gets the next counts[i] of the texts `chosen`. The caller has checked all numbers.
    void put(const uint32_t* documents, size_t n, const TokenisedTexts& texts, const uint32_t* chosen,
             const uint32_t* counts);
    void remove(const uint32_t* documents, size_t n);

    uint32_t find(std::string_view token) const override { return vocabulary_.find(token); }
    size_t documents() const override { return spans_.size(); }
    Postings postings(uint32_t token, Kept&) override { return lists_[token]; }
    std::vector<uint32_t> with_phrase(const std::vector<uint32_t>& tokens,
                                      const std::vector<uint32_t>& candidates) override;
    void filled(uint8_t* out, size_t count) override;
    const std::vector<uint32_t>& lengths() override { return lengths_; }
    size_t bytes() const;

private:
    static constexpr uint32_t kSeparator = UINT32_MAX;
    struct Span {
        uint64_t start = 0;
        uint32_t size = 0;
    };

    void add(uint32_t document, uint64_t start);
    void forget(uint32_t document);
    void compact();

    bool separators_;
    Vocabulary vocabulary_;
    std::vector<std::vector<Posting>> lists_;  // by token
    std::vector<uint32_t> sequences_;          // the tokens of all documents in text order, and some of former ones
    std::vector<Span> spans_;                  // by document
    std::vector<uint32_t> lengths_;            // by document
    size_t stale_ = 0;                         // places of sequences_ nobody refers to
};

}  // namespace edgeshard::text
