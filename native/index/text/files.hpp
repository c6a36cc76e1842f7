// The text index of an optimised segment, read in place from Qdrant's files (docs/format/payload-index.md).
//
// Heads are checked when the index is opened, a posting list whenever it is unpacked; lists asked for are kept unpacked
// up to a limit.
#pragma once
#include <mutex>
#include <unordered_map>
#include <utility>

#include "index/payload_mph.hpp"
#include "index/text/source.hpp"

namespace edgeshard::text {

struct TextFileViews {
    std::string_view vocabulary;   // vocab.dat
    std::string_view postings;     // postings.dat
    std::string_view distinct;     // point_to_tokens_count.dat
    std::string_view frequencies;  // term_frequencies.dat, empty without scoring
    bool positions;                // for phrases
    uint32_t documents;            // documents are numbered below this
};

class TextFiles final : public TextSource {
public:
    // The files must outlive the index. Throws DamagedFile.
    explicit TextFiles(const TextFileViews& views);

    uint32_t find(std::string_view token) const override;
    size_t documents() const override { return views_.documents; }
    Postings postings(uint32_t token, Kept& kept) override;
    std::vector<uint32_t> with_phrase(const std::vector<uint32_t>& tokens,
                                      const std::vector<uint32_t>& candidates) override;
    void filled(uint8_t* out, size_t count) override;
    const std::vector<uint32_t>& lengths() override;
    // Unpacks and checks every list.
    void check();

private:
    // A list of postings.dat, its parts known to lie inside of the file.
    struct List {
        uint64_t start = 0;
        uint32_t chunks = 0, id_bytes = 0, rest = 0, position_bytes = 0;
        uint64_t ids_at = 0, positions_at = 0, rest_at = 0;
        uint32_t size() const { return chunks * 128 + rest; }
    };

    List list_of(uint32_t token) const;
    std::vector<Posting> unpack(uint32_t token) const;
    void unpack_documents(const List& list, std::vector<Posting>& out) const;
    void unpack_counts(uint32_t token, std::vector<Posting>& out) const;
    std::pair<uint64_t, uint64_t> positions_of(const List& list, size_t posting) const;

    TextFileViews views_;
    payload::MapFile vocabulary_;
    uint64_t tokens_ = 0;
    std::mutex mutex_;
    size_t kept_ = 0;  // postings in unpacked_
    std::unordered_map<uint32_t, std::shared_ptr<const std::vector<Posting>>> unpacked_;
    std::vector<uint32_t> lengths_;
};

}  // namespace edgeshard::text
