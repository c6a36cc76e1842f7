#include "index/text/files.hpp"

#include <algorithm>
#include <cstring>

#include "index/sparse/packing.hpp"

namespace edgeshard::text {

namespace {

using sparse::kBlock;

constexpr size_t kFileHead = 40, kListHead = 24, kFrequencyHead = 12;
constexpr size_t kMaxKept = 2 << 20;  // postings that are kept unpacked: 8 bytes each

template <class T>
T load(std::string_view file, uint64_t at) {
    T value;
    std::memcpy(&value, file.data() + at, sizeof(T));
    return value;
}

[[noreturn]] void damaged(const char* what, uint32_t token, uint64_t offset) {
    throw DamagedFile("list " + std::to_string(token) + ": " + what, offset);
}

// Fields of `width` bits one after the other, least significant bit first; `bytes` holds them all.
void unpack_plain(std::string_view bytes, uint32_t width, size_t n, uint32_t* out) {
    uint64_t pending = 0;
    uint32_t bits = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; ++i) {
        for (; bits < width; bits += 8) pending |= uint64_t{static_cast<uint8_t>(bytes[at++])} << bits;
        out[i] = static_cast<uint32_t>(pending & ((uint64_t{1} << width) - 1));
        pending >>= width;
        bits -= width;
    }
}

}  // namespace

TextFiles::TextFiles(const TextFileViews& views) : views_(views) {
    if (const char* reason = vocabulary_.open(views.vocabulary)) throw DamagedFile(reason, 0);
    if (vocabulary_.kind() != payload::KeyKind::text) throw DamagedFile("its keys are not texts", 0);
    if (views.postings.size() < kFileHead) throw DamagedFile("the file is too short for its head", 0);
    tokens_ = load<uint64_t>(views.postings, 0);
    if (tokens_ != vocabulary_.size()) throw DamagedFile("it has another number of lists than there are tokens", 0);
    if (tokens_ > (views.postings.size() - kFileHead) / kListHead)
        throw DamagedFile("the heads of its lists reach past its end", 0);
    if (views.frequencies.empty()) return;
    if (views.frequencies.size() < 8 || load<uint64_t>(views.frequencies, 0) != tokens_ ||
        tokens_ > (views.frequencies.size() - 8) / kFrequencyHead)
        throw DamagedFile("the heads of the frequencies do not fit the lists", 0);
}

uint32_t TextFiles::find(std::string_view token) const {
    const auto found = vocabulary_.find(token);
    if (!found) throw DamagedFile("an entry of the vocabulary reaches past its end", 0);
    if (!found->count) return kNoToken;
    uint32_t number;
    std::memcpy(&number, found->data, sizeof(number));
    if (found->count != 1 || number >= tokens_) throw DamagedFile("an entry of the vocabulary is no token", 0);
    return number;
}

TextFiles::List TextFiles::list_of(uint32_t token) const {
    const std::string_view file = views_.postings;
    const uint64_t head = kFileHead + uint64_t{kListHead} * token;
    const size_t extra = views_.positions ? 4 : 0;
    List list;
    list.start = load<uint64_t>(file, head);
    list.chunks = load<uint32_t>(file, head + 8);
    list.id_bytes = load<uint32_t>(file, head + 12);
    const uint8_t pad = load<uint8_t>(file, head + 16);
    list.rest = load<uint8_t>(file, head + 17);
    list.position_bytes = load<uint32_t>(file, head + 20);
    if (list.start > file.size() || list.rest >= kBlock || list.chunks > UINT32_MAX / kBlock - 1)
        damaged("its head is wrong", token, head);
    list.ids_at = list.start + 4 + list.chunks * (8 + kBlock * extra);
    list.positions_at = list.ids_at + list.id_bytes;
    list.rest_at = list.positions_at + list.position_bytes + pad;
    if (list.rest_at + list.rest * (4 + extra) > file.size()) damaged("it reaches past the end", token, head);
    return list;
}

void TextFiles::unpack_documents(const List& list, std::vector<Posting>& out) const {
    const std::string_view file = views_.postings;
    const size_t extra = views_.positions ? 4 : 0, chunk_head = 8 + kBlock * extra;
    if (list.size() > views_.documents)  // or a small file could ask for any amount of memory
        throw DamagedFile("a list has more documents than there are", list.start);
    out.resize(list.size());
    uint64_t next = 0;  // the smallest document that may follow
    size_t n = 0;
    const auto add = [&](uint64_t document) {
        if (document < next || document >= views_.documents)
            throw DamagedFile("documents of a list are out of order", list.start);
        out[n++] = {static_cast<uint32_t>(document), 1};
        next = document + 1;
    };
    for (uint32_t chunk = 0; chunk < list.chunks; ++chunk) {
        const uint64_t head = list.start + 4 + chunk * chunk_head;
        const uint32_t from = load<uint32_t>(file, head + 4);
        const uint32_t to = chunk + 1 < list.chunks ? load<uint32_t>(file, head + chunk_head + 4) : list.id_bytes;
        if (from > to || to > list.id_bytes || (to - from) % 16 || to - from > sparse::packed_bytes(32))
            throw DamagedFile("the packed documents of a list lie outside", head);
        uint32_t gaps[kBlock];
        sparse::unpack_gaps(reinterpret_cast<const uint8_t*>(file.data()) + list.ids_at + from, (to - from) / 16, gaps);
        uint64_t document = load<uint32_t>(file, head);
        for (const uint32_t gap : gaps) add(document += gap);
    }
    for (uint32_t i = 0; i < list.rest; ++i) add(load<uint32_t>(file, list.rest_at + i * (4 + extra)));
    if (n && out.back().document != load<uint32_t>(file, list.start))
        throw DamagedFile("the last document of a list is not the one named", list.start);
}

void TextFiles::unpack_counts(uint32_t token, std::vector<Posting>& out) const {
    const std::string_view file = views_.frequencies;
    const uint64_t head = 8 + uint64_t{kFrequencyHead} * token, data = 8 + kFrequencyHead * tokens_;
    const uint64_t offset = load<uint64_t>(file, head);
    const size_t full = out.size() / kBlock, rest = out.size() % kBlock, heads = 4 * (full + 1);
    if (load<uint32_t>(file, head + 8) != out.size()) damaged("it has another number of frequencies", token, head);
    if (offset > file.size() - data || heads > file.size() - data - offset)
        damaged("its frequencies reach past the end", token, head);
    const std::string_view offsets = file.substr(data + offset), packed = offsets.substr(heads);
    uint32_t less_one[kBlock];
    for (size_t block = 0; block < full; ++block) {
        const uint32_t from = load<uint32_t>(offsets, 4 * block), to = load<uint32_t>(offsets, 4 * block + 4);
        if (from > to || to > packed.size() || (to - from) % 16 || to - from > sparse::packed_bytes(32))
            damaged("its packed frequencies lie outside", token, data + offset);
        sparse::unpack_gaps(reinterpret_cast<const uint8_t*>(packed.data()) + from, (to - from) / 16, less_one);
        for (size_t i = 0; i < kBlock; ++i) out[block * kBlock + i].count += less_one[i];
    }
    const uint32_t tail = load<uint32_t>(offsets, 4 * full);
    if (tail >= packed.size()) damaged("its last frequencies lie outside", token, data + offset);
    const uint32_t width = static_cast<uint8_t>(packed[tail]);
    if (width > 32 || (rest * width + 7) / 8 > packed.size() - tail - 1)
        damaged("its last frequencies lie outside", token, data + offset);
    unpack_plain(packed.substr(tail + 1), width, rest, less_one);
    for (size_t i = 0; i < rest; ++i) out[full * kBlock + i].count += less_one[i];
}

std::vector<Posting> TextFiles::unpack(uint32_t token) const {
    std::vector<Posting> out;
    unpack_documents(list_of(token), out);
    if (!views_.frequencies.empty()) unpack_counts(token, out);
    return out;
}

Postings TextFiles::postings(uint32_t token, Kept& kept) {
    std::shared_ptr<const std::vector<Posting>> list;
    {
        const std::lock_guard lock(mutex_);
        const auto known = unpacked_.find(token);
        if (known != unpacked_.end()) list = known->second;
    }
    if (!list) {
        list = std::make_shared<const std::vector<Posting>>(unpack(token));
        const std::lock_guard lock(mutex_);
        if (kept_ + list->size() > kMaxKept) {
            unpacked_.clear();
            kept_ = 0;
        }
        if (unpacked_.emplace(token, list).second) kept_ += list->size();
    }
    kept.push_back(list);
    return *list;
}

// Where the positions of a posting are, from the first byte to the end.
std::pair<uint64_t, uint64_t> TextFiles::positions_of(const List& list, size_t posting) const {
    const auto start_of = [&](size_t i) -> uint32_t {
        if (i == list.size()) return list.position_bytes;
        const size_t full = size_t{list.chunks} * kBlock;
        const uint64_t at = i < full ? list.start + 4 + i / kBlock * (8 + kBlock * 4) + 8 + 4 * (i % kBlock)
                                     : list.rest_at + 8 * (i - full) + 4;
        return load<uint32_t>(views_.postings, at);
    };
    const uint32_t from = start_of(posting), to = start_of(posting + 1);
    if (from % 4 || to % 4 || from > to || to > list.position_bytes)
        throw DamagedFile("the positions of a list are out of order", list.start);
    return {list.positions_at + from, list.positions_at + to};
}

std::vector<uint32_t> TextFiles::with_phrase(const std::vector<uint32_t>& tokens,
                                             const std::vector<uint32_t>& candidates) {
    if (!views_.positions || candidates.empty()) return {};
    struct Place {
        Postings postings;
        List list;
    };
    Kept kept;
    std::vector<Place> places;
    for (const uint32_t token : tokens) places.push_back({postings(token, kept), list_of(token)});
    std::vector<uint32_t> found, first, next;
    const auto read = [&](const Place& place, uint32_t document, std::vector<uint32_t>& out) {
        const auto at = std::lower_bound(place.postings.begin(), place.postings.end(), document,
                                         [](const Posting& p, uint32_t wanted) { return p.document < wanted; });
        const auto [from, to] = positions_of(place.list, static_cast<size_t>(at - place.postings.begin()));
        out.resize((to - from) / 4);
        std::memcpy(out.data(), views_.postings.data() + from, out.size() * 4);
    };
    for (const uint32_t document : candidates) {
        read(places[0], document, first);
        for (uint32_t token = 1; token < places.size() && !first.empty(); ++token) {
            read(places[token], document, next);
            std::erase_if(first, [&](uint32_t position) {
                return !std::binary_search(next.begin(), next.end(), position + token);
            });
        }
        if (!first.empty()) found.push_back(document);
    }
    return found;
}

void TextFiles::filled(uint8_t* out, size_t count) {
    for (size_t i = 0; i < count; ++i) out[i] = (i + 1) * 8 <= views_.distinct.size() && load<uint64_t>(views_.distinct, i * 8) > 0;
}

const std::vector<uint32_t>& TextFiles::lengths() {
    {
        const std::lock_guard lock(mutex_);
        if (!lengths_.empty()) return lengths_;
    }
    std::vector<uint32_t> lengths(views_.documents);
    const uint32_t separator = views_.positions ? find(std::string_view("\0", 1)) : kNoToken;
    for (uint32_t token = 0; token < tokens_; ++token) {
        if (token == separator) continue;
        for (const Posting& posting : unpack(token)) lengths[posting.document] += posting.count;
    }
    const std::lock_guard lock(mutex_);
    if (lengths_.empty()) lengths_ = std::move(lengths);
    return lengths_;
}

void TextFiles::check() {
    for (uint32_t token = 0; token < tokens_; ++token) {
        const size_t postings = unpack(token).size();
        for (size_t i = 0; views_.positions && i < postings; ++i) positions_of(list_of(token), i);
    }
}

}  // namespace edgeshard::text
