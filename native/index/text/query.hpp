// Text conditions and BM25 over a TextSource.
#pragma once
#include <mutex>
#include <unordered_map>

#include "index/sparse/postings.hpp"
#include "index/text/source.hpp"
#include "kernels/topk.hpp"

namespace edgeshard::text {

// Documents with all of the tokens, ascending; none if there are no tokens.
std::vector<uint32_t> all_of(TextSource& source, std::vector<uint32_t> tokens);

// Sets out[d] for the documents below `count` with any of the tokens.
void any_of(TextSource& source, const std::vector<uint32_t>& tokens, uint8_t* out, size_t count);

// Documents in which the tokens stand next to each other, ascending.
std::vector<uint32_t> phrase(TextSource& source, const std::vector<uint32_t>& tokens);

// What BM25 asks of a segment.
struct Statistics {
    uint64_t documents = 0;         // with a token
    uint64_t tokens = 0;            // of all of them
    std::vector<uint64_t> holders;  // documents with each query token
};

struct Bm25 {
    float k, b, average;
    bool operator==(const Bm25&) const = default;
};

// Ranks documents. Keeps the weights of the tokens asked for, so that a list is weighed once.
class Ranking {
public:
    // `alive`: which documents count, null for all. Tokens may be kNoToken.
    Statistics statistics(TextSource& source, const std::vector<uint32_t>& tokens, const uint8_t* alive, size_t count);

    // The best `k` documents below `count` that `mask` marks; `rarity` is the inverse document frequency of each token.
    std::vector<Hit> search(TextSource& source, const std::vector<uint32_t>& tokens, const std::vector<float>& rarity,
                            Bm25 parameters, const uint8_t* mask, size_t count, size_t k);

    // Forgets what is known of the documents: they have changed.
    void forget();

private:
    // A posting list with the weight of the token in each document, as the sparse index searches them.
    struct Weighed {
        std::vector<uint32_t> documents;
        std::vector<float> weights;
        std::vector<sparse::BlockInfo> blocks;
        std::vector<float> dense;

        sparse::List list() const;
    };
    std::shared_ptr<const Weighed> weighed(TextSource& source, uint32_t token, Bm25 parameters);

    std::mutex mutex_;
    Bm25 parameters_{};
    size_t kept_ = 0;  // postings in weighed_
    std::unordered_map<uint32_t, std::shared_ptr<const Weighed>> weighed_;
    bool counted_ = false;
    uint64_t documents_ = 0, tokens_ = 0;  // of all documents, once counted
};

}  // namespace edgeshard::text
