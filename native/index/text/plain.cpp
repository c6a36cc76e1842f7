#include "index/text/plain.hpp"

#include <algorithm>

namespace edgeshard::text {

namespace {

constexpr size_t kWorthCompacting = 1 << 16;

template <class List>
auto place_of(List& list, uint32_t document) {
    return std::lower_bound(list.begin(), list.end(), document,
                            [](const Posting& posting, uint32_t wanted) { return posting.document < wanted; });
}

}  // namespace

void PlainText::put(const uint32_t* documents, size_t n, const TokenisedTexts& texts, const uint32_t* chosen,
                    const uint32_t* counts) {
    std::vector<uint32_t> known(texts.vocabulary.size());
    for (size_t i = 0; i < known.size(); ++i) {
        const bool separator = separators_ && texts.vocabulary[i] == std::string_view("\0", 1);
        known[i] = separator ? kSeparator : vocabulary_.add(texts.vocabulary[i]);
    }
    lists_.resize(vocabulary_.size());
    for (size_t i = 0; i < n; chosen += counts[i], ++i) {
        const uint32_t document = documents[i];
        if (document >= spans_.size()) {
            spans_.resize(size_t{document} + 1);
            lengths_.resize(size_t{document} + 1);
        }
        forget(document);
        const uint64_t start = sequences_.size();
        for (uint32_t text = 0; text < counts[i]; ++text) {
            if (text && separators_) sequences_.push_back(kSeparator);
            for (int64_t at = texts.bounds[chosen[text]]; at < texts.bounds[chosen[text] + 1]; ++at)
                sequences_.push_back(known[texts.numbers[at]]);
        }
        add(document, start);
    }
    if (stale_ > kWorthCompacting && stale_ * 2 > sequences_.size()) compact();
}

// Notes the tokens from `start` on as those of a document that has none.
void PlainText::add(uint32_t document, uint64_t start) {
    spans_[document] = {start, static_cast<uint32_t>(sequences_.size() - start)};
    uint32_t length = 0;
    for (uint64_t at = start; at < sequences_.size(); ++at) {
        if (sequences_[at] == kSeparator) continue;
        ++length;
        std::vector<Posting>& list = lists_[sequences_[at]];
        if (list.empty() || list.back().document < document) {
            list.push_back({document, 1});
            continue;
        }
        const auto place = place_of(list, document);
        if (place != list.end() && place->document == document) {
            ++place->count;
        } else {
            list.insert(place, {document, 1});
        }
    }
    lengths_[document] = length;
}

void PlainText::forget(uint32_t document) {
    const Span span = spans_[document];
    for (uint64_t at = span.start; at < span.start + span.size; ++at) {
        if (sequences_[at] == kSeparator) continue;
        std::vector<Posting>& list = lists_[sequences_[at]];
        const auto place = place_of(list, document);
        if (place != list.end() && place->document == document) list.erase(place);
    }
    stale_ += span.size;
    spans_[document] = {};
    lengths_[document] = 0;
}

void PlainText::remove(const uint32_t* documents, size_t n) {
    for (size_t i = 0; i < n; ++i)
        if (documents[i] < spans_.size()) forget(documents[i]);
}

void PlainText::compact() {
    std::vector<uint32_t> kept;
    kept.reserve(sequences_.size() - stale_);
    for (Span& span : spans_) {
        const auto from = sequences_.begin() + static_cast<ptrdiff_t>(span.start);
        span.start = kept.size();
        kept.insert(kept.end(), from, from + span.size);
    }
    sequences_.swap(kept);
    stale_ = 0;
}

std::vector<uint32_t> PlainText::with_phrase(const std::vector<uint32_t>& tokens,
                                             const std::vector<uint32_t>& candidates) {
    std::vector<uint32_t> found;
    for (const uint32_t document : candidates) {
        const auto from = sequences_.begin() + static_cast<ptrdiff_t>(spans_[document].start);
        const auto to = from + spans_[document].size;
        if (std::search(from, to, tokens.begin(), tokens.end()) != to) found.push_back(document);
    }
    return found;
}

void PlainText::filled(uint8_t* out, size_t count) {
    for (size_t i = 0; i < count; ++i) out[i] = i < lengths_.size() && lengths_[i] > 0;
}

size_t PlainText::bytes() const {
    size_t total = sequences_.capacity() * 4 + spans_.capacity() * sizeof(Span) + lengths_.capacity() * 4;
    for (const auto& list : lists_) total += sizeof(list) + list.capacity() * sizeof(Posting);
    return total;
}

}  // namespace edgeshard::text
