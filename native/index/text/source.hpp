// What text queries read: the postings of tokens over documents (points, or elements of nested arrays).
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace edgeshard::text {

inline constexpr uint32_t kNoToken = UINT32_MAX;

struct Posting {
    uint32_t document;
    uint32_t count;  // how often the document has the token
};
using Postings = std::span<const Posting>;

// Keeps what a query has been handed alive for as long as it runs.
using Kept = std::vector<std::shared_ptr<const void>>;

// A file is not what it should be: why, and where.
class DamagedFile : public std::runtime_error {
public:
    DamagedFile(const std::string& reason, uint64_t offset) : std::runtime_error(reason), offset(offset) {}
    uint64_t offset;
};

class TextSource {
public:
    virtual ~TextSource() = default;
    // The number of a token, kNoToken if no document has it.
    virtual uint32_t find(std::string_view token) const = 0;
    // Documents are numbered below this.
    virtual size_t documents() const = 0;
    // The postings of a token, documents ascending.
    virtual Postings postings(uint32_t token, Kept& kept) = 0;
    // Those of some documents, ascending, in which the tokens stand next to each other.
    virtual std::vector<uint32_t> with_phrase(const std::vector<uint32_t>& tokens,
                                              const std::vector<uint32_t>& candidates) = 0;
    // Whether each document has a token.
    virtual void filled(uint8_t* out, size_t count) = 0;
    // Tokens of each document, repeats counted.
    virtual const std::vector<uint32_t>& lengths() = 0;
};

}  // namespace edgeshard::text
