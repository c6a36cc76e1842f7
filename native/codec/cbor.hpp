// CBOR (RFC 8949): the subset the write-ahead log uses, written with definite lengths and shortest integers, read
// leniently (indefinite lengths, any width of float, tags skipped). Knows bytes only; conversions are elsewhere.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

namespace edgeshard::cbor {

enum Major : uint8_t { unsigned_int = 0, negative_int = 1, bytes = 2, text = 3, array = 4, map = 5, tag = 6, simple = 7 };

/// Deeper nesting than this is refused by everything that reads (0.9.0 itself stops at 127 levels of payload).
inline constexpr int max_depth = 200;

/// A growing byte buffer that does not clear what it is going to overwrite. It may start in memory of the caller, which
/// it leaves for memory of its own when that is full.
class Buffer {
public:
    Buffer() = default;
    Buffer(void *memory, size_t capacity) : data_(static_cast<uint8_t *>(memory)), capacity_(capacity), borrowed_(true) {}
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer() {
        if (!borrowed_) std::free(data_);
    }

    uint8_t *data() { return data_; }
    const uint8_t *data() const { return data_; }
    size_t size() const { return size_; }
    bool borrowed() const { return borrowed_; }
    void clear() { size_ = 0; }

    void reserve(size_t more) {
        if (capacity_ - size_ < more) grow(more);
    }
    void push(uint8_t byte) {
        reserve(1);
        data_[size_++] = byte;
    }
    void append(const void *from, size_t count) {
        reserve(count);
        if (count) std::memcpy(data_ + size_, from, count);
        size_ += count;
    }
    void append(std::string_view from) { append(from.data(), from.size()); }
    void insert(size_t at, const void *from, size_t count) {
        reserve(count);
        std::memmove(data_ + at + count, data_ + at, size_ - at);
        std::memcpy(data_ + at, from, count);
        size_ += count;
    }

private:
    void grow(size_t more) {
        size_t wanted = capacity_ + capacity_ / 2;
        if (wanted < size_ + more) wanted = size_ + more;
        if (wanted < 256) wanted = 256;
        void *moved = std::realloc(borrowed_ ? nullptr : data_, wanted);
        if (!moved) throw std::bad_alloc();
        if (borrowed_ && size_) std::memcpy(moved, data_, size_);
        borrowed_ = false;
        data_ = static_cast<uint8_t *>(moved);
        capacity_ = wanted;
    }
    uint8_t *data_ = nullptr;
    size_t size_ = 0, capacity_ = 0;
    bool borrowed_ = false;
};

/// Writes the head of an item into `out` (at least 9 bytes) and returns its length.
inline size_t encode_head(uint8_t *out, Major major, uint64_t n) {
    const uint8_t kind = uint8_t(major << 5);
    if (n < 24) return out[0] = uint8_t(kind | n), 1;
    int width = n <= 0xFF ? 0 : n <= 0xFFFF ? 1 : n <= 0xFFFFFFFFu ? 2 : 3;
    out[0] = uint8_t(kind | (24 + width));
    const size_t count = size_t(1) << width;
    for (size_t i = 0; i < count; ++i) out[1 + i] = uint8_t(n >> 8 * (count - 1 - i));
    return 1 + count;
}

class Writer {
public:
    explicit Writer(Buffer &buffer) : out(buffer) {}

    void head(Major major, uint64_t n) {
        uint8_t raw[9];
        out.append(raw, encode_head(raw, major, n));
    }
    void integer(int64_t value) {
        value < 0 ? head(negative_int, ~uint64_t(value)) : head(unsigned_int, uint64_t(value));
    }
    void string(std::string_view value) {
        head(text, value.size());
        out.append(value);
    }
    void blob(const void *data, size_t size) {
        head(bytes, size);
        out.append(data, size);
    }
    void null() { out.push(0xF6); }
    void boolean(bool value) { out.push(value ? 0xF5 : 0xF4); }
    void f32(float value) {
        uint32_t raw;
        std::memcpy(&raw, &value, 4);
        const uint8_t item[5] = {0xFA, uint8_t(raw >> 24), uint8_t(raw >> 16), uint8_t(raw >> 8), uint8_t(raw)};
        out.append(item, 5);
    }
    /// f32 when that keeps the value, else f64.
    void number(double value) {
        if (const float narrow = float(value); double(narrow) == value) return f32(narrow);
        uint64_t raw;
        std::memcpy(&raw, &value, 8);
        out.push(0xFB);
        for (int i = 7; i >= 0; --i) out.push(uint8_t(raw >> 8 * i));
    }
    /// Starts a container whose length is not known yet; close it with end_container.
    size_t begin_container(Major major) {
        out.push(uint8_t(major << 5));
        return out.size() - 1;
    }
    void end_container(size_t at, uint64_t count) {
        uint8_t raw[9];
        const size_t width = encode_head(raw, Major(out.data()[at] >> 5), count);
        out.data()[at] = raw[0];
        if (width > 1) out.insert(at + 1, raw + 1, width - 1);
    }

    Buffer &out;
};

/// One item: its kind and its argument. Floats arrive as `number`.
struct Item {
    Major major = simple;
    uint8_t info = 0;        // the five low bits of the first byte
    uint64_t value = 0;      // integer, length or count
    double number = 0;       // of a float
    std::string_view chunk;  // of definite bytes and text

    bool indefinite() const { return info == 31 && major != simple; }
    bool is_break() const { return major == simple && info == 31; }
    bool is_float() const { return major == simple && info >= 25 && info <= 27; }
    bool is_null() const { return major == simple && (info == 22 || info == 23); }
};

/// Reads items one by one. Every function returns false once the bytes cannot be CBOR; `error` says why.
class Reader {
public:
    Reader(const void *data, size_t size)
        : begin_(static_cast<const uint8_t *>(data)), p_(begin_), end_(begin_ + size) {}

    size_t position() const { return size_t(p_ - begin_); }
    size_t remaining() const { return size_t(end_ - p_); }
    bool done() const { return p_ == end_; }
    const char *error = nullptr;

    bool fail(const char *reason) {
        if (!error) error = reason;
        return false;
    }
    /// The next item; tags are dropped. Definite strings come with their bytes, containers with their count, which is
    /// checked against the bytes that are left.
    bool next(Item &item) {
        do {
            if (!head(item)) return false;
        } while (item.major == tag);
        if (item.major == bytes || item.major == text) {
            if (item.info == 31) return true;
            if (item.value > remaining()) return fail("a string is longer than the record");
            item.chunk = {reinterpret_cast<const char *>(p_), size_t(item.value)};
            p_ += item.value;
        } else if ((item.major == array && item.info != 31 && item.value > remaining()) ||
                   (item.major == map && item.info != 31 && item.value > remaining() / 2)) {
            return fail("a list has more entries than the record has bytes");
        }
        return true;
    }
    /// Skips the rest of `item`, whose head was just read.
    bool skip(const Item &item, int depth = 0) {
        if (depth > max_depth) return fail("nested too deeply");
        if (item.is_break()) return fail("a break without a list to end");
        const bool container = item.major == array || item.major == map;
        if (!container && !item.indefinite()) return true;
        const uint64_t per_entry = item.major == map ? 2 : 1;
        const uint64_t count = item.indefinite() ? UINT64_MAX : item.value * per_entry;
        Item inner;
        for (uint64_t i = 0; i < count; ++i) {
            if (!next(inner)) return false;
            if (inner.is_break() && item.indefinite()) return i % per_entry == 0 || fail("a key without a value");
            if (!skip(inner, depth + 1)) return false;
        }
        return true;
    }

private:
    bool head(Item &item);

    const uint8_t *begin_, *p_, *end_;
};

inline double half_to_double(uint16_t half) {
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    double value;
    if (exponent == 0)
        value = mantissa * 0x1p-24;
    else if (exponent == 31)
        value = mantissa ? __builtin_nan("") : __builtin_inf();
    else
        value = (mantissa + 1024) * __builtin_ldexp(1.0, exponent - 25);
    return half & 0x8000 ? -value : value;
}

inline bool Reader::head(Item &item) {
    if (p_ == end_) return fail("the record ends inside a value");
    const uint8_t first = *p_++;
    item.major = Major(first >> 5);
    item.info = first & 31;
    item.value = item.info;
    if (item.info < 24 || item.info == 31) {
        if (item.info == 31 && (item.major < bytes || item.major == tag)) return fail("an integer without an end");
        return true;
    }
    if (item.info > 27) return fail("a reserved length code");
    const size_t width = size_t(1) << (item.info - 24);
    if (remaining() < width) return fail("the record ends inside a value");
    uint64_t raw = 0;
    for (size_t i = 0; i < width; ++i) raw = raw << 8 | p_[i];
    p_ += width;
    item.value = raw;
    if (item.major == simple) {
        if (item.info == 25) item.number = half_to_double(uint16_t(raw));
        if (item.info == 26) {
            float narrow;
            const uint32_t word = uint32_t(raw);
            std::memcpy(&narrow, &word, 4);
            item.number = narrow;
        }
        if (item.info == 27) std::memcpy(&item.number, &raw, 8);
    }
    return true;
}

}  // namespace edgeshard::cbor
