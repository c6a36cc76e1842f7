#include "index/sparse/plain_index.hpp"

#include <algorithm>

namespace edgeshard::sparse {

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

void PlainIndex::put(uint32_t id, const uint32_t* dimensions, const float* weights, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        const auto [place, fresh] = slots_.try_emplace(dimensions[i], static_cast<uint32_t>(lists_.size()));
        if (fresh) {
            lists_.emplace_back();
            dimensions_.push_back(dimensions[i]);
        }
        lists_[place->second].insert(id, weights[i]);
    }
    vectors_ += n > 0;
}

void PlainIndex::remove(uint32_t id, const uint32_t* dimensions, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        const auto place = slots_.find(dimensions[i]);
        if (place != slots_.end()) lists_[place->second].erase(id);
    }
    vectors_ -= n > 0 && vectors_ > 0;
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
