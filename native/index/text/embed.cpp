#include "index/text/embed.hpp"

#include <algorithm>

#include "codec/unicode.hpp"

namespace edgeshard::text {

void TokenDimensions::learn(std::uint32_t number, std::span<const std::uint32_t> dimensions) {
    if (number >= known_.size()) known_.resize(vocabulary_.size());
    known_[number] = {static_cast<std::uint32_t>(dimensions_.size()), static_cast<std::uint32_t>(dimensions.size())};
    dimensions_.insert(dimensions_.end(), dimensions.begin(), dimensions.end());
}

void dimensions_of(std::string_view stem, const TokenForms &forms, std::vector<std::uint32_t> &dimensions) {
    dimensions.clear();
    const std::size_t length = unicode::length(stem);
    if (forms.every_prefix) {
        for (std::size_t size = forms.min_len; size <= std::min(forms.max_len, length); ++size)
            dimensions.push_back(token_id(unicode::prefix(stem, size)));
    } else if (forms.cut) {
        if (length >= forms.min_len) dimensions.push_back(token_id(unicode::prefix(stem, forms.max_len)));
    } else if (forms.min_len <= length && length <= forms.max_len) {
        dimensions.push_back(token_id(stem));
    }
}

namespace {

// Keeps each of the dimensions once, ascending, and calls found(times) for it.
template <typename Found>
std::size_t keep_distinct(std::vector<std::uint32_t> &dimensions, Found found) {
    std::sort(dimensions.begin(), dimensions.end());
    std::size_t kept = 0;
    for (std::size_t at = 0; at < dimensions.size();) {
        std::size_t end = at + 1;
        while (end < dimensions.size() && dimensions[end] == dimensions[at]) ++end;
        found(end - at);
        dimensions[kept++] = dimensions[at];
        at = end;
    }
    return kept;
}

}  // namespace

std::size_t embed_document(std::vector<std::uint32_t> &dimensions, const Bm25Shape &shape, std::vector<float> &weights) {
    weights.clear();
    const double length = static_cast<double>(dimensions.size());
    const double norm = shape.k * (1.0 - shape.b + shape.b * length / shape.average_len);
    const auto weight = [&](double times) { return static_cast<float>(times * (shape.k + 1.0) / (times + norm)); };
    const float once = weight(1.0);
    return keep_distinct(dimensions, [&](std::size_t count) {
        weights.push_back(count == 1 ? once : weight(static_cast<double>(count)));
    });
}

std::size_t embed_query(std::vector<std::uint32_t> &dimensions, std::vector<float> &weights) {
    const std::size_t kept = keep_distinct(dimensions, [](std::size_t) {});
    weights.assign(kept, 1.0f);
    return kept;
}

}  // namespace edgeshard::text
