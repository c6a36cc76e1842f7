#include "index/hnsw/codes.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

#include "kernels/half.hpp"
#include "support/thread_pool.hpp"

namespace edgeshard {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kSampleRows = 1024;
constexpr double kQuantile = 0.9995;

uint8_t* allocate(size_t bytes) {
    const size_t align = bytes >= kHugePage ? kHugePage : kCodeAlign;
    bytes = (bytes + align - 1) / align * align;
    auto* p = static_cast<uint8_t*>(std::aligned_alloc(align, std::max(bytes, align)));
    if (!p) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (align == kHugePage) madvise(p, bytes, MADV_HUGEPAGE);  // a hint: random rows otherwise miss the TLB
#endif
    return p;
}

// The quantile of |x| over up to kSampleRows rows spread over the storage.
float magnitude(const Rows& rows) {
    const size_t n = std::min(rows.count(), kSampleRows);
    std::vector<float> row(rows.dim()), all;
    all.reserve(n * rows.dim());
    for (size_t i = 0; i < n; ++i) {
        to_floats(rows.row(rows.count() * i / n), rows.type(), rows.dim(), row.data());
        for (float x : row)
            if (std::isfinite(x)) all.push_back(std::fabs(x));
    }
    if (all.empty()) return 1;
    const auto at = all.begin() + static_cast<ptrdiff_t>(static_cast<double>(all.size() - 1) * kQuantile);
    std::nth_element(all.begin(), at, all.end());
    if (*at > 0) return *at;
    const float largest = *std::max_element(all.begin(), all.end());
    return largest > 0 ? largest : 1;
}

}  // namespace

void to_floats(const char* row, ElementType type, size_t dim, float* out) {
    if (type == ElementType::f32) {
        std::memcpy(out, row, dim * 4);
    } else if (type == ElementType::f16) {
        uint16_t half;
        for (size_t i = 0; i < dim; ++i) {
            std::memcpy(&half, row + 2 * i, 2);
            out[i] = half_to_float(half);
        }
    } else {
        for (size_t i = 0; i < dim; ++i) out[i] = static_cast<float>(static_cast<unsigned char>(row[i]));
    }
}

float encode_query(const float* query, size_t dim, size_t stride, int8_t* out, int32_t* sum) {
    float largest = 0;
    for (size_t i = 0; i < dim; ++i) {
        const float x = std::fabs(query[i]);
        largest = x > largest && x <= 3.4e38f ? x : largest;
    }
    const float scale = largest > 0 ? largest / 127 : 1, inverse = 1 / scale;
    int32_t total = 0;
    for (size_t i = 0; i < dim; ++i) {
        const float x = std::isfinite(query[i]) ? query[i] * inverse : 0;
        const auto value = static_cast<int32_t>(x + std::copysign(0.5f, x));
        out[i] = static_cast<int8_t>(std::clamp(value, -127, 127));
        total += out[i];
    }
    std::memset(out + dim, 0, stride - dim);
    *sum = total;
    return scale;
}

void Int8Codes::Free::operator()(uint8_t* p) const { std::free(p); }

Int8Codes::Int8Codes(const Rows& rows, unsigned threads)
    : dim_(rows.dim()), stride_((rows.dim() + kCodeAlign - 1) / kCodeAlign * kCodeAlign) {
    stride_ = std::max(stride_, kCodeAlign);
    scale_ = magnitude(rows) / 127;
    if (!(scale_ > 1e-30f)) scale_ = 1e-30f;
    extend(rows, threads);
}

void Int8Codes::reserve(size_t rows) {
    if (rows <= capacity_) return;
    // Exact the first time (an immutable segment), with room to grow afterwards.
    const size_t capacity = capacity_ ? std::max(rows, capacity_ + capacity_ / 2) : rows;
    std::unique_ptr<uint8_t[], Free> larger(allocate(capacity * stride_));
    if (count_) std::memcpy(larger.get(), data_.get(), count_ * stride_);
    data_ = std::move(larger);
    capacity_ = capacity;
}

void Int8Codes::extend(const Rows& rows, unsigned threads) {
    if (rows.count() <= count_) return;
    reserve(rows.count());
    norms_.resize(rows.count());
    const size_t first = count_;
    parallel_for(rows.count() - first, 4096, threads,
                 [&](size_t begin, size_t end) { encode(rows, first + begin, first + end); });
    count_ = rows.count();
}

void Int8Codes::update(const Rows& rows, const uint32_t* offsets, size_t n) {
    for (size_t i = 0; i < n; ++i) encode(rows, offsets[i], offsets[i] + size_t{1});
}

void Int8Codes::encode(const Rows& rows, size_t begin, size_t end) {
    std::vector<float> x(dim_);
    const float inverse = 1 / scale_;
    for (size_t r = begin; r < end; ++r) {
        to_floats(rows.row(r), rows.type(), dim_, x.data());
        uint8_t* out = data_.get() + r * stride_;
        float norm = 0;
        for (size_t i = 0; i < dim_; ++i) {
            const float value = std::isfinite(x[i]) ? x[i] : 0;
            norm += value * value;
            const float scaled = std::clamp(value * inverse, -127.f, 127.f);
            out[i] = static_cast<uint8_t>(static_cast<int32_t>(scaled + 128.5f));
        }
        std::memset(out + dim_, 128, stride_ - dim_);
        norms_[r] = norm;
    }
}

}  // namespace edgeshard
