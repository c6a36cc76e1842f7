// Writing the compressed form: docs/format/sparse-index.md.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "index/sparse/packed_index.hpp"
#include "index/sparse/plain_index.hpp"
#include "kernels/half.hpp"

namespace edgeshard::sparse {

namespace {

template <class T>
void store(uint8_t* at, T value) {
    std::memcpy(at, &value, sizeof(T));
}

struct Coder {
    WeightType type;
    float low = 0, step = 0;

    Coder(WeightType type, const std::vector<float>& weights) : type(type) {
        if (type != WeightType::u8 || weights.empty()) return;
        const auto [least, most] = std::minmax_element(weights.begin(), weights.end());
        low = *least;
        step = (*most - *least) / 255.0f;
    }
    void write(uint8_t* at, float weight) const {
        if (type == WeightType::f32) return store(at, weight);
        if (type == WeightType::f16) return store(at, half_from_float(weight));
        const float level = std::trunc((weight - low) / step + 0.5f);
        *at = level > 0 ? static_cast<uint8_t>(std::min(level, 255.0f)) : 0;  // 0 / 0, when all weights are equal, too
    }
};

}  // namespace

std::vector<uint8_t> PlainIndex::encode(WeightType type) const {
    const Layout layout = Layout::of(type);
    const size_t headers = lists_.size() * layout.header;
    size_t total = headers;
    for (const Postings& list : lists_) {
        const size_t full = list.ids.size() / kBlock;
        for (size_t b = 0; b < full; ++b) total += packed_bytes(gap_bits(list.ids.data() + b * kBlock));
        total += full * layout.chunk() + list.ids.size() % kBlock * kTailBytes;
    }
    std::vector<uint8_t> out(total);
    size_t at = headers;
    for (size_t slot = 0; slot < lists_.size(); ++slot) {
        const Postings& list = lists_[slot];
        const size_t full = list.ids.size() / kBlock, start = at;
        const Coder coder(type, list.weights);
        std::vector<uint32_t> offsets(full);
        for (size_t b = 0; b < full; ++b) {
            const uint32_t* ids = list.ids.data() + b * kBlock;
            const unsigned bits = gap_bits(ids);
            offsets[b] = static_cast<uint32_t>(at - start);
            pack_ids(ids, bits, out.data() + at);
            at += packed_bytes(bits);
        }
        uint8_t* header = out.data() + slot * layout.header;
        store<uint64_t>(header, start);
        store<uint32_t>(header + 8, list.ids.empty() ? 0 : list.ids.back() + 1);
        store<uint32_t>(header + 12, static_cast<uint32_t>(at - start));
        store<uint32_t>(header + 16, static_cast<uint32_t>(full));
        if (type == WeightType::u8) {
            store(header + 20, coder.low);
            store(header + 24, coder.step);
        }
        for (size_t b = 0; b < full; ++b, at += layout.chunk()) {
            store(out.data() + at, list.ids[b * kBlock]);
            store(out.data() + at + 4, offsets[b]);
            for (size_t i = 0; i < kBlock; ++i)
                coder.write(out.data() + at + 8 + i * layout.weight, list.weights[b * kBlock + i]);
        }
        for (size_t i = full * kBlock; i < list.ids.size(); ++i, at += kTailBytes) {
            store(out.data() + at, list.ids[i]);
            coder.write(out.data() + at + 4, list.weights[i]);
        }
    }
    return out;
}

}  // namespace edgeshard::sparse
