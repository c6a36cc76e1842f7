// Python face of the text indexes (index/text/): in memory and from files.
#include "bind/gil.hpp"
#include "bind/register.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <shared_mutex>

#include "bind/owned.hpp"
#include "bind/payload_args.hpp"
#include "index/text/files.hpp"
#include "index/text/plain.hpp"
#include "index/text/query.hpp"

using namespace edgeshard;
using namespace edgeshard::bind;

namespace {

using Mask = nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// An index with what it reads from, safe for searches side by side and one change at a time.
struct TextIndex {
    std::unique_ptr<text::TextSource> source;
    text::Ranking ranking;
    std::vector<Array<uint8_t>> files;  // of an index in files; end with the GIL held
    std::shared_mutex mutex;
};

struct PlainTextIndex : TextIndex {
    explicit PlainTextIndex(bool separators) { source = std::make_unique<text::PlainText>(separators); }
    text::PlainText& plain() { return static_cast<text::PlainText&>(*source); }
};

struct TextIndexFiles : TextIndex {
    text::TextFiles& opened() { return static_cast<text::TextFiles&>(*source); }
};

// A damaged file found while reading is a RuntimeError with the reason and the place; Python names the file.
template <class Work>
auto reading(TextIndex& self, Work&& work) {
    std::optional<text::DamagedFile> damage;
    {
        GilRelease release;
        const std::shared_lock lock(self.mutex);
        try {
            return work(*self.source);
        } catch (const text::DamagedFile& error) {
            damage = error;
        }
    }
    nb::object arguments = nb::make_tuple(damage->what(), damage->offset);
    PyErr_SetObject(PyExc_RuntimeError, arguments.ptr());
    throw nb::python_error();
}

std::vector<uint32_t> numbers_of(const text::TextSource& source, const std::vector<std::string_view>& tokens) {
    std::vector<uint32_t> numbers;
    numbers.reserve(tokens.size());
    for (const std::string_view token : tokens) numbers.push_back(source.find(token));
    return numbers;
}

// (count,) bool: what `fill(source, mask)` marks.
template <class Fill>
nb::object marked(TextIndex& self, size_t count, Fill&& fill) {
    std::vector<uint8_t> mask(count);
    reading(self, [&](text::TextSource& source) { fill(source, mask.data()); });
    return owned_mask(std::move(mask));
}

void mark(const std::vector<uint32_t>& documents, uint8_t* mask, size_t count) {
    for (const uint32_t document : documents)
        if (document < count) mask[document] = 1;
}

nb::object all_of(TextIndex& self, nb::list tokens, size_t count) {
    const auto wanted = views_of(tokens);
    return marked(self, count, [&](text::TextSource& source, uint8_t* mask) {
        mark(text::all_of(source, numbers_of(source, wanted)), mask, count);
    });
}

nb::object any_of(TextIndex& self, nb::list tokens, size_t count) {
    const auto wanted = views_of(tokens);
    return marked(self, count, [&](text::TextSource& source, uint8_t* mask) {
        text::any_of(source, numbers_of(source, wanted), mask, count);
    });
}

nb::object phrase(TextIndex& self, nb::list tokens, size_t count) {
    const auto wanted = views_of(tokens);
    return marked(self, count, [&](text::TextSource& source, uint8_t* mask) {
        mark(text::phrase(source, numbers_of(source, wanted)), mask, count);
    });
}

nb::object filled(TextIndex& self, size_t count) {
    return marked(self, count, [&](text::TextSource& source, uint8_t* mask) { source.filled(mask, count); });
}

const uint8_t* bytes_of(const Mask& mask) { return reinterpret_cast<const uint8_t*>(mask.data()); }

nb::tuple statistics(TextIndex& self, nb::list tokens, std::optional<Mask> alive) {
    const auto wanted = views_of(tokens);
    const auto found = reading(self, [&](text::TextSource& source) {
        return self.ranking.statistics(source, numbers_of(source, wanted), alive ? bytes_of(*alive) : nullptr,
                                       alive ? alive->size() : 0);
    });
    return nb::make_tuple(found.documents, found.tokens, found.holders);
}

nb::tuple search(TextIndex& self, nb::list tokens, std::vector<float> rarity, float k, float b, float average, Mask mask,
                 size_t limit) {
    const auto wanted = views_of(tokens);
    if (rarity.size() != wanted.size()) throw nb::value_error("rarity: expected one entry per token");
    const auto hits = reading(self, [&](text::TextSource& source) {
        return self.ranking.search(source, numbers_of(source, wanted), rarity, {k, b, average}, bytes_of(mask),
                                   mask.size(), limit);
    });
    std::vector<uint32_t> documents(hits.size());
    std::vector<float> scores(hits.size());
    for (size_t i = 0; i < hits.size(); ++i) {
        documents[i] = hits[i].offset;
        scores[i] = hits[i].sim;
    }
    return nb::make_tuple(owned_array(std::move(documents)), owned_array(std::move(scores)));
}

void put(PlainTextIndex& self, Array<uint32_t> documents, nb::list vocabulary, Array<uint32_t> numbers,
         Array<int64_t> bounds, Array<uint32_t> texts, Array<uint32_t> counts) {
    const text::TokenisedTexts tokens{views_of(vocabulary), numbers.data(), bounds.data()};
    check_bounds(bounds, numbers.size());
    check_below(numbers, tokens.vocabulary.size(), "numbers: expected positions in the vocabulary");
    check_below(texts, bounds.size() - 1, "texts: expected positions in bounds");
    check_below(documents, text::kNoToken, "documents: expected numbers below 2^32 - 1");
    if (counts.size() != documents.size() || checked_sum(counts) != texts.size())
        throw nb::value_error("counts: expected one per document, and as many texts as they add up to");
    GilRelease release;
    const std::unique_lock lock(self.mutex);
    self.plain().put(documents.data(), documents.size(), tokens, texts.data(), counts.data());
    self.ranking.forget();
}

void take_out(PlainTextIndex& self, Array<uint32_t> documents) {
    GilRelease release;
    const std::unique_lock lock(self.mutex);
    self.plain().remove(documents.data(), documents.size());
    self.ranking.forget();
}

std::string_view bytes_of(const Array<uint8_t>& file) {
    return {reinterpret_cast<const char*>(file.data()), file.size()};
}

nb::object open_files(Array<uint8_t> vocabulary, Array<uint8_t> postings, Array<uint8_t> distinct,
                      Array<uint8_t> frequencies, bool positions, uint32_t documents) {
    auto out = std::make_unique<TextIndexFiles>();
    out->files = {vocabulary, postings, distinct, frequencies};
    try {
        out->source = std::make_unique<text::TextFiles>(text::TextFileViews{
            bytes_of(vocabulary), bytes_of(postings), bytes_of(distinct), bytes_of(frequencies), positions, documents});
    } catch (const text::DamagedFile& error) {
        throw nb::value_error(error.what());
    }
    return nb::cast(out.release(), nb::rv_policy::take_ownership);
}

}  // namespace

void register_text_index(nb::module_& m) {
    using namespace nb::literals;
    nb::class_<TextIndex>(m, "TextIndex")
        .def("all_of", &all_of, "tokens"_a, "count"_a)
        .def("any_of", &any_of, "tokens"_a, "count"_a)
        .def("phrase", &phrase, "tokens"_a, "count"_a)
        .def("filled", &filled, "count"_a)
        .def("statistics", &statistics, "tokens"_a, "alive"_a.none())
        .def("search", &search, "tokens"_a, "rarity"_a, "k"_a, "b"_a, "average"_a, "mask"_a, "limit"_a)
        .def_prop_ro("documents", [](TextIndex& self) {
            const std::shared_lock lock(self.mutex);
            return self.source->documents();
        });
    nb::class_<PlainTextIndex, TextIndex>(m, "PlainTextIndex")
        .def(nb::init<bool>(), "separators"_a)
        .def("put", &put, "documents"_a, "vocabulary"_a, "numbers"_a, "bounds"_a, "texts"_a, "counts"_a)
        .def("remove", &take_out, "documents"_a)
        .def_prop_ro("nbytes", [](PlainTextIndex& self) {
            const std::shared_lock lock(self.mutex);
            return self.plain().bytes();
        });
    nb::class_<TextIndexFiles, TextIndex>(m, "TextIndexFiles").def("check", [](TextIndexFiles& self) {
        reading(self, [&](text::TextSource&) { self.opened().check(); });
    });
    m.def("open_text_files", &open_files, "vocabulary"_a, "postings"_a, "distinct"_a, "frequencies"_a, "positions"_a,
          "documents"_a);
}
