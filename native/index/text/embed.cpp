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

// Calls found(dimension, times) for each distinct one, ascending.
template <typename Found>
void for_each_distinct(std::vector<std::uint32_t> &dimensions, Found found) {
    std::sort(dimensions.begin(), dimensions.end());
    for (std::size_t at = 0; at < dimensions.size();) {
        std::size_t end = at + 1;
        while (end < dimensions.size() && dimensions[end] == dimensions[at]) ++end;
        found(dimensions[at], end - at);
        at = end;
    }
}

}  // namespace

Embedding embed_document(std::vector<std::uint32_t> &dimensions, const Bm25Shape &shape) {
    Embedding made;
    made.indices.reserve(dimensions.size());
    made.values.reserve(dimensions.size());
    const double length = static_cast<double>(dimensions.size());
    const double norm = shape.k * (1.0 - shape.b + shape.b * length / shape.average_len);
    for_each_distinct(dimensions, [&](std::uint32_t dimension, std::size_t count) {
        const double times = static_cast<double>(count);
        made.indices.push_back(dimension);
        made.values.push_back(static_cast<float>(times * (shape.k + 1.0) / (times + norm)));
    });
    return made;
}

Embedding embed_query(std::vector<std::uint32_t> &dimensions) {
    Embedding made;
    for_each_distinct(dimensions, [&](std::uint32_t dimension, std::size_t) { made.indices.push_back(dimension); });
    made.values.assign(made.indices.size(), 1.0f);
    return made;
}

}  // namespace edgeshard::text
