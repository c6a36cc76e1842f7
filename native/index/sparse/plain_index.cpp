#include "index/sparse/plain_index.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace edgeshard::sparse {

namespace {

constexpr uint32_t kNoList = std::numeric_limits<uint32_t>::max();
constexpr int64_t kPostingsAtOnce = 1 << 20;  // bounds memory
constexpr size_t kWorthSorting = 16;          // fewer postings than a list in so many are changed as they come

}  // namespace

void PlainIndex::Postings::insert(uint32_t id, float weight) {
    const size_t at = ids.empty() || ids.back() < id
                          ? ids.size()
                          : static_cast<size_t>(std::lower_bound(ids.begin(), ids.end(), id) - ids.begin());
    if (at < ids.size() && ids[at] == id) {
        weights[at] = weight;
    } else {
        ids.insert(ids.begin() + static_cast<ptrdiff_t>(at), id);
        weights.insert(weights.begin() + static_cast<ptrdiff_t>(at), weight);
    }
    described = std::min(described, at / kBlock);
    dense.clear();
}

void PlainIndex::Postings::erase(uint32_t id) {
    const auto found = std::lower_bound(ids.begin(), ids.end(), id);
    if (found == ids.end() || *found != id) return;
    const ptrdiff_t at = found - ids.begin();
    ids.erase(found);
    weights.erase(weights.begin() + at);
    described = std::min(described, static_cast<size_t>(at) / kBlock);
    dense.clear();
}

void PlainIndex::Postings::describe_all() {
    const size_t count = (ids.size() + kBlock - 1) / kBlock;
    if (described == count && blocks.size() == count) return;
    blocks.resize(count);
    for (size_t b = described; b < count; ++b) {
        const size_t at = b * kBlock;
        blocks[b] = describe({ids.data() + at, weights.data() + at, std::min(kBlock, ids.size() - at)});
    }
    described = count;
}

uint32_t PlainIndex::slot_of(uint32_t dimension, bool create) {
    if (!create) {
        const auto place = slots_.find(dimension);
        return place == slots_.end() ? kNoList : place->second;
    }
    const auto [place, fresh] = slots_.try_emplace(dimension, static_cast<uint32_t>(lists_.size()));
    if (fresh) {
        lists_.emplace_back();
        dimensions_.push_back(dimension);
    }
    return place->second;
}

template <class Work>
void PlainIndex::each_of(const Rows& rows, size_t first, size_t last, bool create, Work work) {
    const size_t start = static_cast<size_t>(rows.starts[first]);
    const size_t count = static_cast<size_t>(rows.starts[last]) - start;
    std::vector<uint32_t> slots(count), ids(count), order(count);
    auto filled = ids.begin();
    for (size_t r = first; r < last; ++r) filled = std::fill_n(filled, rows.starts[r + 1] - rows.starts[r], rows.ids[r]);
    for (size_t i = 0; i < count; ++i) slots[i] = slot_of(rows.dimensions[start + i], create);
    std::vector<size_t> places(lists_.size() + 1, 0);  // counting sort by list
    for (const uint32_t slot : slots)
        if (slot != kNoList) ++places[slot + 1];
    std::partial_sum(places.begin(), places.end(), places.begin());
    const size_t known = places.back();
    for (size_t i = 0; i < count; ++i)
        if (slots[i] != kNoList) order[places[slots[i]]++] = static_cast<uint32_t>(i);
    for (size_t k = 0; k < known; ++k) {
        const size_t i = order[k];
        work(lists_[slots[i]], ids[i], start + i);
    }
}

template <class Work>
void PlainIndex::each(const Rows& rows, bool create, Work work) {
    for (size_t first = 0, last = 0; first < rows.count; first = last) {
        const int64_t limit = rows.starts[first] + kPostingsAtOnce;
        while (last < rows.count && (last == first || rows.starts[last + 1] <= limit)) ++last;
        const size_t start = static_cast<size_t>(rows.starts[first]), stop = static_cast<size_t>(rows.starts[last]);
        if (stop - start >= lists_.size() / kWorthSorting && last - first > 1) {
            each_of(rows, first, last, create, work);
            continue;
        }
        for (size_t r = first; r < last; ++r)
            for (int64_t i = rows.starts[r]; i < rows.starts[r + 1]; ++i)
                if (const uint32_t slot = slot_of(rows.dimensions[i], create); slot != kNoList)
                    work(lists_[slot], rows.ids[r], static_cast<size_t>(i));
    }
}

void PlainIndex::put(const Rows& rows, const float* weights) {
    each(rows, true, [&](Postings& list, uint32_t id, size_t place) { list.insert(id, weights[place]); });
    for (size_t r = 0; r < rows.count; ++r) vectors_ += rows.starts[r + 1] > rows.starts[r];
}

void PlainIndex::remove(const Rows& rows) {
    each(rows, false, [](Postings& list, uint32_t id, size_t) { list.erase(id); });
    for (size_t r = 0; r < rows.count; ++r) vectors_ -= rows.starts[r + 1] > rows.starts[r] && vectors_ > 0;
}

Damage PlainIndex::find(uint32_t dimension, List& out) {
    out = {};
    const auto place = slots_.find(dimension);
    if (place == slots_.end()) return {};
    Postings& list = lists_[place->second];
    const std::lock_guard lock(describing_);
    list.describe_all();
    out.blocks = list.blocks.data();
    out.block_count = list.blocks.size();
    out.size = list.ids.size();
    out.ids = list.ids.data();
    out.weights = list.weights.data();
    const size_t points = list.ids.empty() ? 0 : size_t{list.ids.back()} + 1;
    if (!worth_dense(out.size, points)) return {};
    if (list.dense.empty()) list.dense = spread(out, points);
    out.dense = list.dense.data();
    out.dense_size = points;
    return {};
}

size_t PlainIndex::length(uint32_t dimension) const {
    const auto place = slots_.find(dimension);
    return place == slots_.end() ? 0 : lists_[place->second].ids.size();
}

}  // namespace edgeshard::sparse
