#include <nanobind/ndarray.h>

#include <stdexcept>
#include <string_view>
#include <vector>

#include "bind/gil.hpp"
#include "bind/owned.hpp"
#include "bind/register.hpp"
#include "bind/text_support.hpp"
#include "index/text_split.hpp"

namespace {

using edgeshard::bind::owned_array;
using edgeshard::text::SplitOptions;
using edgeshard::text::Vocabulary;
using ByteArray = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using BoundArray = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

struct Split {
    Vocabulary vocabulary;
    std::vector<std::uint32_t> numbers;
    std::vector<std::int64_t> bounds{0};
};

nb::tuple tuple_of(Split &&split) {
    nb::list vocabulary;
    for (std::size_t i = 0; i < split.vocabulary.size(); ++i) vocabulary.append(str_of(split.vocabulary.token(i)));
    return nb::make_tuple(vocabulary, owned_array(std::move(split.numbers)), owned_array(std::move(split.bounds)));
}

Split split_views(const std::vector<std::string_view> &texts, const SplitOptions &options) {
    edgeshard::GilRelease release;
    Split split;
    split.bounds.reserve(texts.size() + 1);
    for (const auto text : texts) {
        edgeshard::text::split_text(text, options, split.vocabulary, split.numbers);
        split.bounds.push_back(static_cast<std::int64_t>(split.numbers.size()));
    }
    return split;
}

nb::list split_text(nb::str text, int splitter, bool lowercase, bool folding) {
    const SplitOptions options = split_options(splitter, lowercase, folding);
    Split split;
    edgeshard::text::split_text(utf8_of(text), options, split.vocabulary, split.numbers);
    nb::list tokens;
    for (const auto number : split.numbers) tokens.append(str_of(split.vocabulary.token(number)));
    return tokens;
}

nb::tuple split_texts(nb::list texts, int splitter, bool lowercase, bool folding) {
    const SplitOptions options = split_options(splitter, lowercase, folding);
    std::vector<nb::object> kept;  // the list may change while the GIL is released
    std::vector<std::string_view> views;
    kept.reserve(texts.size());
    views.reserve(texts.size());
    for (nb::handle text : texts) {
        if (!PyUnicode_Check(text.ptr())) throw nb::type_error("texts: expected a list of str");
        kept.push_back(nb::borrow(text));
        views.push_back(utf8_of(text));
    }
    return tuple_of(split_views(views, options));
}

nb::tuple split_bytes(ByteArray data, BoundArray bounds, int splitter, bool lowercase, bool folding) {
    const SplitOptions options = split_options(splitter, lowercase, folding);
    const std::string_view bytes(reinterpret_cast<const char *>(data.data()), data.size());
    std::vector<std::string_view> views;
    for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
        const std::int64_t from = bounds.data()[i], to = bounds.data()[i + 1];
        if (from < 0 || to < from || static_cast<std::size_t>(to) > bytes.size())
            throw nb::value_error("bounds: expected ascending offsets into data");
        views.push_back(bytes.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
    }
    return tuple_of(split_views(views, options));
}

nb::object token_ids(nb::list tokens) {
    std::vector<std::uint32_t> ids;
    ids.reserve(tokens.size());
    for (nb::handle token : tokens) {
        if (!PyUnicode_Check(token.ptr())) throw nb::type_error("tokens: expected a list of str");
        ids.push_back(edgeshard::text::token_id(utf8_of(token)));
    }
    return owned_array(std::move(ids));
}

}  // namespace

void register_text(nb::module_ &m) {
    m.def("split_text", &split_text, nb::arg("text"), nb::arg("splitter") = 0, nb::arg("lowercase") = true,
          nb::arg("folding") = false, "Tokens of one text, in order with repeats.");
    m.def("split_texts", &split_texts, nb::arg("texts"), nb::arg("splitter") = 0, nb::arg("lowercase") = true,
          nb::arg("folding") = false,
          "(vocabulary, numbers u32, bounds i64 (n + 1)): text i has the tokens vocabulary[numbers[bounds[i]:bounds[i + 1]]].");
    m.def("split_bytes", &split_bytes, nb::arg("data"), nb::arg("bounds"), nb::arg("splitter") = 0,
          nb::arg("lowercase") = true, nb::arg("folding") = false,
          "split_texts of the UTF-8 texts data[bounds[i]:bounds[i + 1]].");
    m.def("token_ids", &token_ids, nb::arg("tokens"), "Sparse dimension of each token (murmur3), u32.");
}
