#include "index/quantized/walk_codes.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/prefetch.hpp"
#include "support/thread_pool.hpp"

namespace edgeshard::quantized {
namespace {

constexpr size_t kGrain = 1024;  // rows a thread takes at a time

size_t aligned(size_t bytes) { return (bytes + kListedAlignment - 1) / kListedAlignment * kListedAlignment; }

}  // namespace

bool WalkCodes::possible(const Codec& codec) {
    const auto form = codec.walk_form();
    return form && aligned(form->bytes) <= kListedStride;
}

size_t WalkCodes::stride(const Codec& codec) { return aligned(codec.walk_form()->bytes); }

WalkCodes::WalkCodes(std::shared_ptr<const Codec> codec, size_t count, const uint8_t* data)
    : codec_(std::move(codec)), form_(*codec_->walk_form()), count_(count), stride_(stride(*codec_)), codes_(data),
      terms_(reinterpret_cast<const float*>(data + count * stride_)) {}

WalkCodes::WalkCodes(std::shared_ptr<const Codec> codec, const Rows& records, unsigned threads)
    : WalkCodes(std::move(codec), records.count(), nullptr) {
    own_.reserve(std::max<size_t>(size_bytes(*codec_, count_), 1));
    uint8_t* out = own_.data();
    float* terms = reinterpret_cast<float*>(out + count_ * stride_);
    codes_ = out;
    terms_ = terms;
    parallel_for(count_, kGrain, threads, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
            const auto* record = reinterpret_cast<const uint8_t*>(records.row(i));
            std::memcpy(out + i * stride_, record + form_.begin, form_.bytes);
            std::memset(out + i * stride_ + form_.bytes, 0, stride_ - form_.bytes);
            codec_->walk_terms(record, terms + 2 * i);
        }
    });
}

WalkComparer::WalkComparer(const WalkCodes& codes, Isa isa)
    : codes_(codes), kernels_(listed_kernels(isa)),
      planes_(codes.stride() * (codes.form().bits ? 8 / codes.form().bits : 1)) {}

void WalkComparer::use_query(const float* query) {
    codes_.codec().walk_query(query, query_);
    if (!codes_.form().bits) {
        std::copy_n(query_.bits.data(), codes_.form().bytes, planes_.data());
        return;
    }
    const size_t planes = 8 / codes_.form().bits;
    for (size_t p = 0; p < planes; ++p) {
        auto* plane = reinterpret_cast<int8_t*>(planes_.data() + p * codes_.stride());
        for (size_t at = p, i = 0; at < query_.numbers.size(); at += planes, ++i) plane[i] = query_.numbers[at];
    }
}

void WalkComparer::score(const uint32_t* ids, size_t n, float* sims) const {
    int32_t raw[kScoreBlock];
    const WalkForm& form = codes_.form();
    const ListedQuery listed{form.bits, codes_.stride(), form.levels, reinterpret_cast<const int8_t*>(planes_.data())};
    for (size_t at = 0; at < n; at += kScoreBlock) {
        const size_t m = std::min(kScoreBlock, n - at);
        if (form.bits) kernels_.dots(codes_.codes(), listed, ids + at, m, raw);
        else kernels_.bits(codes_.codes(), codes_.stride(), planes_.data(), ids + at, m, raw);
        for (size_t i = 0; i < m; ++i) {
            const float* terms = codes_.terms() + 2 * size_t{ids[at + i]};
            const float value = static_cast<float>(raw[i] - query_.bias) * query_.unit + query_.offset;
            sims[at + i] = value * terms[0] + query_.constant + terms[1];
        }
    }
}

void WalkComparer::prefetch(uint32_t id) const {
    prefetch_row(codes_.codes() + id * codes_.stride(), codes_.stride(), 1024);
    __builtin_prefetch(codes_.terms() + 2 * size_t{id});
}

}  // namespace edgeshard::quantized
