#include "index/text/query.hpp"

#include <algorithm>

#include "index/sparse/search.hpp"

namespace edgeshard::text {

namespace {

constexpr size_t kMaxKept = 4 << 20;  // postings that are kept weighed: 12 bytes each
constexpr size_t kSkip = 16;          // a list so many times as long is searched, not walked

// Leaves those of `documents` that the postings have.
void keep_common(std::vector<uint32_t>& documents, Postings postings) {
    auto at = postings.begin();
    size_t kept = 0;
    const bool skip = postings.size() / kSkip > documents.size();
    for (const uint32_t document : documents) {
        if (skip) {
            at = std::lower_bound(at, postings.end(), document,
                                  [](const Posting& posting, uint32_t wanted) { return posting.document < wanted; });
        } else {
            while (at != postings.end() && at->document < document) ++at;
        }
        if (at == postings.end()) break;
        if (at->document == document) documents[kept++] = document;
    }
    documents.resize(kept);
}

}  // namespace

std::vector<uint32_t> all_of(TextSource& source, std::vector<uint32_t> tokens) {
    std::sort(tokens.begin(), tokens.end());
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    if (tokens.empty() || tokens.back() == kNoToken) return {};
    Kept kept;
    std::vector<Postings> lists;
    for (const uint32_t token : tokens) lists.push_back(source.postings(token, kept));
    std::sort(lists.begin(), lists.end(), [](Postings a, Postings b) { return a.size() < b.size(); });
    std::vector<uint32_t> documents;
    documents.reserve(lists[0].size());
    for (const Posting& posting : lists[0]) documents.push_back(posting.document);
    for (size_t i = 1; i < lists.size(); ++i) keep_common(documents, lists[i]);
    return documents;
}

void any_of(TextSource& source, const std::vector<uint32_t>& tokens, uint8_t* out, size_t count) {
    Kept kept;
    for (const uint32_t token : tokens) {
        if (token == kNoToken) continue;
        for (const Posting& posting : source.postings(token, kept))
            if (posting.document < count) out[posting.document] = 1;
    }
}

std::vector<uint32_t> phrase(TextSource& source, const std::vector<uint32_t>& tokens) {
    std::vector<uint32_t> candidates = all_of(source, tokens);
    return tokens.size() < 2 ? candidates : source.with_phrase(tokens, candidates);
}

Statistics Ranking::statistics(TextSource& source, const std::vector<uint32_t>& tokens, const uint8_t* alive,
                               size_t count) {
    Statistics out;
    const std::vector<uint32_t>& lengths = source.lengths();
    const auto add_up = [&](uint64_t& documents, uint64_t& total) {
        for (size_t i = 0; i < lengths.size(); ++i) {
            if (alive && !(i < count && alive[i])) continue;
            documents += lengths[i] > 0;
            total += lengths[i];
        }
    };
    if (alive) {
        add_up(out.documents, out.tokens);
    } else {
        const std::lock_guard lock(mutex_);
        if (!counted_) add_up(documents_ = 0, tokens_ = 0);
        counted_ = true;
        out.documents = documents_;
        out.tokens = tokens_;
    }
    for (const uint32_t token : tokens) {
        Kept kept;
        uint64_t holders = 0;
        if (token != kNoToken) {
            const Postings postings = source.postings(token, kept);
            holders = postings.size();
            if (alive)
                holders = static_cast<uint64_t>(std::count_if(postings.begin(), postings.end(), [&](const Posting& p) {
                    return p.document < count && alive[p.document];
                }));
        }
        out.holders.push_back(holders);
    }
    return out;
}

sparse::List Ranking::Weighed::list() const {
    return {blocks.data(), blocks.size(), documents.size(), documents.data(), weights.data(), nullptr,
            dense.empty() ? nullptr : dense.data(), dense.size()};
}

std::shared_ptr<const Ranking::Weighed> Ranking::weighed(TextSource& source, uint32_t token, Bm25 parameters) {
    {
        const std::lock_guard lock(mutex_);
        if (!(parameters_ == parameters) || kept_ > kMaxKept) {
            weighed_.clear();
            kept_ = 0;
            parameters_ = parameters;
        }
        const auto known = weighed_.find(token);
        if (known != weighed_.end()) return known->second;
    }
    Kept kept;
    const Postings postings = source.postings(token, kept);
    const std::vector<uint32_t>& lengths = source.lengths();
    auto made = std::make_shared<Weighed>();
    made->documents.resize(postings.size());
    made->weights.resize(postings.size());
    const float fixed = parameters.k * (1 - parameters.b), per_token = parameters.k * parameters.b / parameters.average;
    const float most = parameters.k + 1;
    for (size_t i = 0; i < postings.size(); ++i) {
        const uint32_t document = postings[i].document;
        const float times = static_cast<float>(postings[i].count);
        const float length = document < lengths.size() ? static_cast<float>(lengths[document]) : 0.0f;
        made->documents[i] = document;
        made->weights[i] = times * most / (times + fixed + per_token * length);
    }
    for (size_t at = 0; at < postings.size(); at += sparse::kBlock)
        made->blocks.push_back(sparse::describe({made->documents.data() + at, made->weights.data() + at,
                                                 std::min(sparse::kBlock, postings.size() - at)}));
    const size_t points = postings.empty() ? 0 : size_t{postings.back().document} + 1;
    if (sparse::worth_dense(postings.size(), points)) made->dense = sparse::spread(made->list(), points);
    const std::lock_guard lock(mutex_);
    if (parameters_ == parameters && weighed_.emplace(token, made).second) kept_ += postings.size();
    return made;
}

std::vector<Hit> Ranking::search(TextSource& source, const std::vector<uint32_t>& tokens,
                                 const std::vector<float>& rarity, Bm25 parameters, const uint8_t* mask, size_t count,
                                 size_t k) {
    std::vector<std::shared_ptr<const Weighed>> kept;
    std::vector<sparse::Term> terms;
    for (size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i] == kNoToken) continue;
        kept.push_back(weighed(source, tokens[i], parameters));
        const Weighed& list = *kept.back();
        if (list.documents.empty()) continue;
        terms.push_back({list.list(), rarity[i]});
    }
    return sparse::search(terms, mask, count, k, false);
}

void Ranking::forget() {
    const std::lock_guard lock(mutex_);
    weighed_.clear();
    kept_ = 0;
    counted_ = false;
}

}  // namespace edgeshard::text
