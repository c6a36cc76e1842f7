#include <nanobind/ndarray.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bind/register.hpp"
#include "bind/text_support.hpp"
#include "index/text/embed.hpp"

namespace {

using namespace edgeshard::text;

// Embeds texts; what becomes of each distinct token is worked out once, its stem by Python.
//
// While Python is asked another thread may come in: it then works on an empty memory of its own.
class Embedder {
public:
    Embedder(int splitter, bool lowercase, bool folding, nb::list stop_words, nb::object stem, TokenForms forms)
        : options_(split_options(splitter, lowercase, folding)), stem_(std::move(stem)), forms_(forms) {
        for (nb::handle word : stop_words) stop_words_.add(utf8_of(word));
    }

    nb::tuple document(nb::handle text, double k, double b, double average_len) {
        auto found = dimensions(text);
        return arrays(embed_document(found, {k, b, average_len}));
    }

    nb::tuple query(nb::handle text) {
        auto found = dimensions(text);
        return arrays(embed_query(found));
    }

private:
    // A str is split here, a list of str is taken for tokens that are split already.
    std::vector<std::uint32_t> dimensions(nb::handle text) {
        if (busy_) {
            TokenDimensions own;
            return dimensions(text, own);
        }
        if (memory_->size() > remembered) memory_ = std::make_unique<TokenDimensions>();
        busy_ = true;
        const struct Release {
            bool &busy;
            ~Release() { busy = false; }
        } release{busy_};
        return dimensions(text, *memory_);
    }

    std::vector<std::uint32_t> dimensions(nb::handle text, TokenDimensions &memory) {
        std::vector<std::uint32_t> numbers;
        if (PyUnicode_Check(text.ptr())) {
            split_text(utf8_of(text), options_, memory.vocabulary(), numbers);
        } else {
            for (nb::handle token : nb::cast<nb::list>(text)) {
                if (!PyUnicode_Check(token.ptr())) throw nb::type_error("tokens: expected a list of str");
                numbers.push_back(memory.number_of(utf8_of(token)));
            }
        }
        learn_all(numbers, memory);
        std::vector<std::uint32_t> found;
        found.reserve(numbers.size());
        for (const auto number : numbers) {
            const auto some = memory.of(number);
            found.insert(found.end(), some.begin(), some.end());
        }
        return found;
    }

    void learn_all(const std::vector<std::uint32_t> &numbers, TokenDimensions &memory) {
        std::vector<std::uint32_t> asked, ids;
        for (const auto number : numbers) {
            if (memory.knows(number)) continue;
            memory.learn(number, {});  // so that it is asked about once
            const auto token = memory.vocabulary().token(number);
            if (stop_words_.find(token) != UINT32_MAX) continue;
            if (!stem_.is_none()) {
                asked.push_back(number);
                continue;
            }
            dimensions_of(token, forms_, ids);
            memory.learn(number, ids);
        }
        if (asked.empty()) return;
        try {
            nb::list tokens;
            for (const auto number : asked) tokens.append(str_of(memory.vocabulary().token(number)));
            const nb::list stems = nb::cast<nb::list>(stem_(tokens));
            if (stems.size() != asked.size()) throw nb::value_error("stem: expected one stem per token");
            for (std::size_t i = 0; i < asked.size(); ++i) {
                dimensions_of(utf8_of(stems[i]), forms_, ids);
                memory.learn(asked[i], ids);
            }
        } catch (...) {
            memory = TokenDimensions();  // some tokens were noted as empty
            throw;
        }
    }

    static nb::object bytes_of(const void *data, std::size_t size) {
        PyObject *made = PyByteArray_FromStringAndSize(static_cast<const char *>(data), static_cast<Py_ssize_t>(size));
        if (!made) throw nb::python_error();
        return nb::steal(made);
    }

    // Buffers, of which NumPy makes arrays faster than nanobind does.
    static nb::tuple arrays(const Embedding &made) {
        return nb::make_tuple(bytes_of(made.indices.data(), made.indices.size() * sizeof(std::uint32_t)),
                              bytes_of(made.values.data(), made.values.size() * sizeof(float)));
    }

    static constexpr std::size_t remembered = 1 << 16;  // distinct tokens; with more it starts afresh
    SplitOptions options_;
    Vocabulary stop_words_;
    nb::object stem_;
    TokenForms forms_;
    std::unique_ptr<TokenDimensions> memory_ = std::make_unique<TokenDimensions>();
    bool busy_ = false;
};

}  // namespace

void register_text_embed(nb::module_ &m) {
    nb::class_<Embedder>(m, "TextEmbedder", "Sparse BM25 vectors of texts; remembers what becomes of each token.")
        .def("__init__",
             [](Embedder *self, int splitter, bool lowercase, bool folding, nb::list stop_words, nb::object stem,
                std::size_t min_len, std::size_t max_len, bool every_prefix, bool cut) {
                 new (self) Embedder(splitter, lowercase, folding, stop_words, stem, {min_len, max_len, every_prefix, cut});
             },
             nb::arg("splitter"), nb::arg("lowercase"), nb::arg("folding"), nb::arg("stop_words"),
             nb::arg("stem").none(), nb::arg("min_len"), nb::arg("max_len"), nb::arg("every_prefix"), nb::arg("cut"))
        .def("document", &Embedder::document, nb::arg("text"), nb::arg("k"), nb::arg("b"), nb::arg("average_len"),
             "Buffers of the indices u32 and the values f32 of a stored text, or of a list of split tokens.")
        .def("query", &Embedder::query, nb::arg("text"), "Buffers of the indices u32 and the values f32 of a query.");
}
