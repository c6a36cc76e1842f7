#include "index/quantized/turbo.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace edgeshard::quantized {
namespace {

constexpr float kLevels1[16] = {-0.7978846f, 0.7978846f};
constexpr float kLevels2[16] = {-1.510f, -0.4528f, 0.4528f, 1.510f};
constexpr float kLevels4[] = {-2.733f, -2.069f, -1.618f, -1.256f, -0.9424f, -0.6568f, -0.3881f, -0.1284f,
                              0.1284f, 0.3881f, 0.6568f, 0.9424f, 1.256f,   1.618f,   2.069f,   2.733f};

// Number of boundaries (midpoints of neighbouring levels) strictly below x.
unsigned code_of(float x, const float* levels, unsigned count) {
    unsigned code = 0;
    for (unsigned i = 0; i + 1 < count; ++i) code += (levels[i] + levels[i + 1]) / 2 < x;
    return code;
}

unsigned code_at(const uint8_t* codes, size_t i, unsigned bits) {
    const size_t at = i * bits;
    return (codes[at / 8] >> (at % 8)) & ((1u << bits) - 1);
}

double squared(const double* x, size_t n) {
    double sum[4] = {};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; ++j) sum[j] += x[i + j] * x[i + j];
    for (; i < n; ++i) sum[0] += x[i] * x[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// squared() of kLanes vectors side by side, to the last bit.
void lane_squares(const LaneNumbers* x, size_t n, double* squares) {
    double sum[4][kLanes] = {};
    const size_t whole = n / 4 * 4;
    for (size_t i = 0; i < n; ++i)
        for (size_t l = 0; l < kLanes; ++l) sum[i < whole ? i % 4 : 0][l] += x[i].of[l] * x[i].of[l];
    for (size_t l = 0; l < kLanes; ++l) squares[l] = (sum[0][l] + sum[1][l]) + (sum[2][l] + sum[3][l]);
}

// Of `n` whole numbers of 8 or 16 bits: at most 2^16 times 2^30.
uint64_t square_of_numbers(const uint8_t* record, size_t n, unsigned bits) {
    uint64_t sum = 0;
    if (bits == 8) {
        for (size_t i = 0; i < n; ++i) sum += static_cast<uint32_t>((record[i] - 128) * (record[i] - 128));
        return sum;
    }
    for (size_t i = 0; i < n; ++i) {
        int16_t number;
        std::memcpy(&number, record + 2 * i, 2);
        sum += static_cast<uint32_t>(number * number);
    }
    return sum;
}

}  // namespace

const float* turbo_levels(unsigned bits) { return bits == 1 ? kLevels1 : bits == 2 ? kLevels2 : kLevels4; }

size_t turbo_stride(unsigned bits, size_t padded, Distance distance, bool plus) {
    return padded * bits / 8 + 4 + (distance == Distance::euclid ? 4 : 0) + (plus ? 4 : 0);
}

TurboCodec::TurboCodec(TurboOptions options)
    : Codec(options.dim, turbo_stride(options.bits, options.padded, options.distance, options.plus)),
      options_(std::move(options)), rotation_(options_.rotate_padding ? options_.padded : options_.dim),
      code_bytes_(options_.padded * options_.bits / 8) {}

double TurboCodec::estimated_ns() const {
    const double padded = static_cast<double>(options_.padded);
    return options_.distance == Distance::manhattan ? 2 * padded : 5 + padded / 8;
}

void TurboCodec::rotated(const float* row, double* out, double* scratch) const {
    for (size_t i = 0; i < dim(); ++i) out[i] = std::isfinite(row[i]) ? row[i] : 0.0;
    std::fill(out + dim(), out + options_.padded, 0.0);
    rotation_.forward(out, scratch);
}

float TurboCodec::length_of(const double* x) const {
    if (options_.distance == Distance::cosine) return 1.0f;
    return static_cast<float>(std::sqrt(squared(x, options_.padded)));
}

void TurboCodec::encode(const float* in, size_t rows, uint8_t* out) const {
    std::vector<double> x(options_.padded), scratch(options_.padded);
    for (size_t r = 0; r < rows; ++r, in += dim(), out += stride()) {
        rotated(in, x.data(), scratch.data());
        if (options_.bits >= 8)
            encode_numbers(x.data(), out);
        else
            encode_levels(x.data(), out);
    }
}

void TurboCodec::rotate(const float* in, size_t rows, float* out) const {
    const size_t n = options_.padded;
    std::vector<double> x(n), scratch(n);
    for (size_t r = 0; r < rows; ++r, in += dim(), out += n) {
        rotated(in, x.data(), scratch.data());
        const float length = length_of(x.data());
        const double by = std::sqrt(static_cast<double>(n)) / (length > 0 ? length : 1);
        for (size_t i = 0; i < n; ++i) out[i] = static_cast<float>(x[i] * by);
    }
}

void TurboCodec::encode_levels(double* x, uint8_t* record) const {
    const size_t n = options_.padded;
    const double root = std::sqrt(static_cast<double>(n));
    const float length = length_of(x);
    for (size_t i = 0; i < n; ++i) x[i] *= root / (length > 0 ? static_cast<double>(length) : 1.0);
    const bool null = squared(x, n) < 1e-12;
    double xm = 0;
    if (!options_.scale.empty() && !null)
        for (size_t i = 0; i < n; ++i) {
            xm -= x[i] * options_.shift[i];
            x[i] = (x[i] + options_.shift[i]) * options_.scale[i];
        }
    const unsigned bits = options_.bits;
    const float* levels = turbo_levels(bits);
    double sum = 0;
    std::memset(record, 0, code_bytes_);
    for (size_t i = 0; i < n; ++i) {
        const unsigned code = code_of(static_cast<float>(x[i]), levels, 1u << bits);
        record[i * bits / 8] = static_cast<uint8_t>(record[i * bits / 8] | code << (i * bits % 8));
        const double value = uncorrected(levels[code], i);
        sum += value * value;
    }
    finish(record, length, static_cast<float>(null ? root : std::sqrt(sum)), static_cast<float>(xm));
}

void TurboCodec::encode_numbers(const double* x, uint8_t* record) const {
    const size_t n = options_.padded;
    const float length = length_of(x);
    const bool null = squared(x, n) < 1e-12, bytes = options_.bits == 8;
    double largest = 0, sum = 0;
    for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
    const double by = largest > 0 ? (bytes ? 127 : 32767) / largest : 1;
    for (size_t i = 0; i < n; ++i) {
        const double value = std::round(x[i] * by);
        sum += value * value;
        const int16_t number = static_cast<int16_t>(value);
        if (bytes)
            record[i] = static_cast<uint8_t>(number + 128);
        else
            std::memcpy(record + 2 * i, &number, 2);
    }
    const double norm = null ? std::sqrt(static_cast<double>(n)) : std::sqrt(sum);
    finish(record, length, static_cast<float>(norm), 0);
}

void TurboCodec::finish(uint8_t* record, float length, float norm, float xm) const {
    uint8_t* extra = record + code_bytes_;
    store_float(extra, options_.distance == Distance::manhattan ? length : length / norm);
    if (options_.distance == Distance::euclid) store_float(extra += 4, length);
    if (options_.plus) store_float(extra + 4, xm);
}

void TurboCodec::values(const uint8_t* record, double* out) const {
    const size_t n = options_.padded;
    const unsigned bits = options_.bits;
    if (bits < 8) {
        const float* levels = turbo_levels(bits);
        for (size_t i = 0; i < n; ++i) out[i] = uncorrected(levels[code_at(record, i, bits)], i);
    } else if (bits == 8) {
        for (size_t i = 0; i < n; ++i) out[i] = record[i] - 128;
    } else {
        for (size_t i = 0; i < n; ++i) {
            int16_t number;
            std::memcpy(&number, record + 2 * i, 2);
            out[i] = number;
        }
    }
    const double by = factor_of(record);
    for (size_t i = 0; i < n; ++i) out[i] *= by;
}

double TurboCodec::factor_of(const uint8_t* record) const {
    const double by = load_float(record + code_bytes_);
    if (options_.distance != Distance::manhattan) return by;
    const size_t n = options_.padded;
    const double norm = std::sqrt(static_cast<double>(options_.bits < 8 ? n : square_of_numbers(record, n, options_.bits)));
    return norm > 0 ? by / norm : 0;
}

double TurboCodec::length_repair(const uint8_t* record, double square) const {
    const double by = std::fabs(static_cast<double>(load_float(record + code_bytes_)));
    const double root = std::sqrt(static_cast<double>(options_.padded));
    return by > 0 ? std::sqrt(square) / (by * root) : 1;
}

void TurboCodec::lane_values(const LaneKernels& kernels, RowPointers records, LaneNumbers* x) const {
    const float* levels = turbo_levels(options_.bits);
    LaneNumbers by;
    for (size_t l = 0; l < kLanes; ++l) by.of[l] = factor_of(records[l]);
    if (options_.scale.empty()) return kernels.spread(records, code_bytes_, options_.bits, levels, by, x);
    kernels.spread(records, code_bytes_, options_.bits, levels, {{1, 1, 1, 1, 1, 1, 1, 1}}, x);
    for (size_t i = 0; i < options_.padded; ++i)
        for (size_t l = 0; l < kLanes; ++l) x[i].of[l] = uncorrected(x[i].of[l], i) * by.of[l];
}

void TurboCodec::decode_lanes(const LaneKernels& kernels, RowPointers records, LaneNumbers* scratch, LaneNumbers* out,
                              double* factors) const {
    lane_values(kernels, records, scratch);
    std::fill_n(factors, kLanes, 1.0);
    if (options_.bits < 8 && options_.distance != Distance::manhattan) {
        double squares[kLanes];
        lane_squares(scratch, options_.padded, squares);
        for (size_t l = 0; l < kLanes; ++l) factors[l] = length_repair(records[l], squares[l]);
    }
    rotation_.inverse(kernels, scratch, out);
}

bool TurboCodec::decode(const uint8_t* in, size_t rows, float* out) const {
    const LaneKernels kernels = lane_kernels();
    std::vector<LaneNumbers> scratch(options_.padded), x(options_.padded);
    for (size_t r = 0; r < rows; r += kLanes, in += kLanes * stride(), out += kLanes * dim()) {
        const size_t n = std::min(kLanes, rows - r);
        const uint8_t* records[kLanes];
        double factors[kLanes];
        for (size_t l = 0; l < kLanes; ++l) records[l] = in + std::min(l, n - 1) * stride();
        decode_lanes(kernels, records, scratch.data(), x.data(), factors);
        for (size_t i = 0; i < dim(); ++i)
            for (size_t l = 0; l < n; ++l) out[l * dim() + i] = static_cast<float>(x[i].of[l] * factors[l]);
    }
    return true;
}

}  // namespace edgeshard::quantized
