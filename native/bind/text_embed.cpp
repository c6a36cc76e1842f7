#include <nanobind/ndarray.h>

#include <structmember.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bind/gil.hpp"
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
    Embedder(int splitter, bool lowercase, bool folding, nb::list stop_words, nb::object stem, TokenForms forms,
             Bm25Shape shape)
        : options_(split_options(splitter, lowercase, folding)), stem_(std::move(stem)), forms_(forms), shape_(shape) {
        for (nb::handle word : stop_words) stop_words_.add(utf8_of(word));
    }

    // `text` is a str to be split here; `document_of` and `query_of` take a list of split tokens.
    nb::object document(nb::handle text) { return document_of(checked(text)); }
    nb::object query(nb::handle text) { return query_of(checked(text)); }

    nb::object document_of(nb::handle text) {
        return embed(text, [this](auto &found, auto &weights) { return embed_document(found, shape_, weights); });
    }

    nb::object query_of(nb::handle text) {
        return embed(text, [](auto &found, auto &weights) { return embed_query(found, weights); });
    }

    // `type`: a class with a slot `_packed`.
    void make(nb::type_object type) {
        const nb::object slot = type.attr("_packed");
        if (Py_TYPE(slot.ptr()) != &PyMemberDescr_Type) throw nb::type_error("make: expected a class with a slot _packed");
        packed_at_ = reinterpret_cast<PyMemberDescrObject *>(slot.ptr())->d_member->offset;
        made_ = std::move(type);
    }

private:
    // What a text needs on its way, kept from text to text.
    struct Scratch {
        TokenDimensions memory;
        std::vector<std::uint32_t> numbers, found, ids;
        std::vector<float> weights;
    };

    static nb::handle checked(nb::handle text) {
        if (PyUnicode_Check(text.ptr())) return text;
        throw nb::type_error((std::string("text: expected a str, got ") + Py_TYPE(text.ptr())->tp_name).c_str());
    }

    template <typename Weigh>
    nb::object embed(nb::handle text, Weigh weigh) {
        if (busy_) {
            Scratch own;
            return embedded(text, weigh, own);
        }
        if (scratch_->memory.size() > remembered) scratch_ = std::make_unique<Scratch>();
        busy_ = true;
        const struct Release {
            bool &busy;
            ~Release() { busy = false; }
        } release{busy_};
        return embedded(text, weigh, *scratch_);
    }

    template <typename Weigh>
    nb::object embedded(nb::handle text, Weigh weigh, Scratch &scratch) {
        find_dimensions(text, scratch);
        const std::size_t kept = weigh(scratch.found, scratch.weights);
        return result(scratch.found.data(), scratch.weights.data(), kept);
    }

    // Sets `found` of the scratch: of a str, or of a list of str, which are split tokens.
    void find_dimensions(nb::handle text, Scratch &scratch) {
        scratch.numbers.clear();
        scratch.found.clear();
        if (PyUnicode_Check(text.ptr())) {
            split_text(utf8_of(text), options_, scratch.memory.vocabulary(), scratch.numbers);
        } else {
            for (nb::handle token : nb::borrow<nb::list>(text)) {
                if (!PyUnicode_Check(token.ptr())) throw nb::type_error("tokens: expected a list of str");
                scratch.numbers.push_back(scratch.memory.number_of(utf8_of(token)));
            }
        }
        learn_all(scratch);
        for (const auto number : scratch.numbers) {
            const auto some = scratch.memory.of(number);
            if (some.size() == 1) scratch.found.push_back(some.front());
            else scratch.found.insert(scratch.found.end(), some.begin(), some.end());
        }
    }

    void learn_all(Scratch &scratch) {
        TokenDimensions &memory = scratch.memory;
        auto &ids = scratch.ids;
        std::vector<std::uint32_t> asked;
        for (const auto number : scratch.numbers) {
            if (memory.knows(number)) continue;
            const auto token = memory.vocabulary().token(number);
            ids.clear();
            if (stop_words_.find(token) == UINT32_MAX) {
                if (stem_.is_none()) dimensions_of(token, forms_, ids);
                else asked.push_back(number);
            }
            memory.learn(number, ids);  // of a token to ask about none yet, so that it is asked about once
        }
        if (asked.empty()) return;
        try {
            nb::list tokens;
            for (const auto number : asked) {
                const auto token = memory.vocabulary().token(number);
                tokens.append(nb::bytes(token.data(), token.size()));
            }
            const nb::list stems = nb::cast<nb::list>(edgeshard::while_python_lives([&] { return stem_(tokens); }));
            if (stems.size() != asked.size()) throw nb::value_error("stem: expected one stem per token");
            for (std::size_t i = 0; i < asked.size(); ++i) {
                const auto stem = nb::cast<nb::bytes>(stems[i]);
                dimensions_of({static_cast<const char *>(stem.data()), stem.size()}, forms_, ids);
                memory.learn(asked[i], ids);
            }
        } catch (...) {
            memory = TokenDimensions();  // some tokens were noted as empty
            throw;
        }
    }

    // One bytes object, indices before weights: as it is, or in the field `_packed` of an object of the type given.
    nb::object result(const std::uint32_t *indices, const float *weights, std::size_t count) const {
        const std::size_t half = count * sizeof(std::uint32_t);
        nb::object packed = nb::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(2 * half)));
        if (!packed.is_valid()) throw nb::python_error();
        if (count) {
            std::memcpy(PyBytes_AS_STRING(packed.ptr()), indices, half);
            std::memcpy(PyBytes_AS_STRING(packed.ptr()) + half, weights, half);
        }
        if (!made_.is_valid()) return packed;
        auto *type = reinterpret_cast<PyTypeObject *>(made_.ptr());
        nb::object vector = nb::steal(type->tp_alloc(type, 0));
        if (!vector.is_valid()) throw nb::python_error();
        *reinterpret_cast<PyObject **>(reinterpret_cast<char *>(vector.ptr()) + packed_at_) = packed.release().ptr();
        return vector;
    }

    static constexpr std::size_t remembered = 1 << 16;  // distinct tokens; with more it starts afresh
    SplitOptions options_;
    Vocabulary stop_words_;
    nb::object stem_;
    TokenForms forms_;
    Bm25Shape shape_;
    nb::object made_;
    Py_ssize_t packed_at_ = 0;  // where its objects hold `_packed`
    std::unique_ptr<Scratch> scratch_ = std::make_unique<Scratch>();
    bool busy_ = false;
};

}  // namespace

void register_text_embed(nb::module_ &m) {
    nb::class_<Embedder>(m, "TextEmbedder", "Sparse BM25 vectors of texts; remembers what becomes of each token.")
        .def("__init__",
             [](Embedder *self, int splitter, bool lowercase, bool folding, nb::list stop_words, nb::object stem,
                std::size_t min_len, std::size_t max_len, bool every_prefix, bool cut, double k, double b,
                double average_len) {
                 new (self) Embedder(splitter, lowercase, folding, stop_words, stem, {min_len, max_len, every_prefix, cut},
                                     {k, b, average_len});
             },
             nb::arg("splitter"), nb::arg("lowercase"), nb::arg("folding"), nb::arg("stop_words"),
             nb::arg("stem").none(), nb::arg("min_len"), nb::arg("max_len"), nb::arg("every_prefix"), nb::arg("cut"), nb::arg("k"), nb::arg("b"),
             nb::arg("average_len"))
        .def("make", &Embedder::make, nb::arg("type"), "Give results in the field `_packed` of objects of a type.")
        .def("document", &Embedder::document,  // calls of functions without named arguments cost half
             "The indices u32, then the weights f32, of a stored text.")
        .def("document_of", [](Embedder &self, nb::list tokens) { return self.document_of(tokens); }, nb::arg("tokens"))
        .def("query", &Embedder::query, "The same of a query.")
        .def("query_of", [](Embedder &self, nb::list tokens) { return self.query_of(tokens); }, nb::arg("tokens"));
}
