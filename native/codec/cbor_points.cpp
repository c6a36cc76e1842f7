#include "codec/cbor_points.hpp"

#include "codec/cbor_json.hpp"

namespace edgeshard::cbor {
namespace {

void write_id(Writer &write, const Ids &ids, size_t i) {
    if (!ids.is_uuid || !ids.is_uuid[i]) return write.head(unsigned_int, ids.low[i]);
    uint8_t raw[16];
    for (int k = 0; k < 8; ++k) {
        raw[k] = uint8_t(ids.high[i] >> 8 * (7 - k));
        raw[8 + k] = uint8_t(ids.low[i] >> 8 * (7 - k));
    }
    write.blob(raw, 16);
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// 32 hexadecimal digits, with or without dashes at the usual places.
bool parse_uuid(std::string_view text, uint64_t &high, uint64_t &low) {
    if (text.size() != 36 && text.size() != 32) return false;
    int digits = 0;
    high = low = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text.size() == 36 && (i == 8 || i == 13 || i == 18 || i == 23)) {
            if (text[i] != '-') return false;
            continue;
        }
        const int digit = hex_digit(text[i]);
        if (digit < 0) return false;
        uint64_t &half = digits++ < 16 ? high : low;
        half = half << 4 | uint64_t(digit);
    }
    return true;
}

/// Calls `entry(index)` for each entry of a list until one fails; the entry reads its own item.
template <class Entry>
bool each_entry(Reader &reader, const Item &list, Entry entry) {
    Item head;
    for (uint64_t i = 0; list.indefinite() || i < list.value; ++i) {
        if (!reader.next(head)) return false;
        if (head.is_break() && list.indefinite()) return true;
        if (!entry(head)) return false;
    }
    return true;
}

DecodedVectors &column_of(DecodedPoints &out, std::string_view name) {
    for (auto &column : out.vectors)
        if (column->name == name) return *column;
    out.vectors.push_back(std::make_unique<DecodedVectors>());
    out.vectors.back()->name = name;
    return *out.vectors.back();
}

bool decode_vector(Reader &reader, const Item &pair, Buffer &scratch, size_t point, DecodedPoints &out) {
    Item item;
    std::string_view text, bytes;
    if (pair.major != array || (!pair.indefinite() && pair.value != 2)) return reader.fail("a raw vector is a pair");
    if (!reader.next(item) || !read_text(reader, item, scratch, text)) return false;
    constexpr size_t most_names = 4096;
    DecodedVectors &column = column_of(out, text);
    if (out.vectors.size() > most_names) return reader.fail("too many vector names");
    if (!reader.next(item) || !read_bytes(reader, item, scratch, bytes)) return false;
    if (!column.points.empty() && column.points.back() == point) return reader.fail("a vector name twice in one point");
    column.data.append(bytes);
    column.points.push_back(point);
    column.ends.push_back(int64_t(column.data.size()));
    if (!pair.indefinite()) return true;
    return reader.next(item) && (item.is_break() || reader.fail("a raw vector is a pair"));
}

bool decode_point(Reader &reader, const Item &point, Buffer &scratch, DecodedPoints &out) {
    if (point.major != map) return reader.fail("a point is a map");
    const size_t number = out.low.size();
    bool has_id = false;
    uint8_t has_payload = 0;
    out.low.push_back(0);
    out.high.push_back(0);
    out.is_uuid.push_back(0);
    std::string_view text;
    const bool read = each_entry(reader, point, [&](const Item &key) {
        Item item;
        if (!read_text(reader, key, scratch, text)) return false;
        const std::string_view name = text == "id" ? "id" : text == "vectors" ? "vectors" : text == "payload" ? "payload" : "";
        if (!reader.next(item)) return false;
        if (name == "id") {
            has_id = true;
            return decode_id(reader, item, scratch, out.low.back(), out.high.back(), out.is_uuid.back());
        }
        if (name == "vectors") {
            if (item.major != array) return reader.fail("raw vectors are a list");
            return each_entry(reader, item, [&](const Item &pair) { return decode_vector(reader, pair, scratch, number, out); });
        }
        if (name == "payload" && !item.is_null()) {
            if (item.major != map || has_payload) return reader.fail("a payload is one map");
            has_payload = 1;
            return to_json(reader, item, out.payloads);
        }
        return reader.skip(item);
    });
    out.payload_bounds.push_back(int64_t(out.payloads.size()));
    out.has_payload.push_back(has_payload);
    return read && (has_id || reader.fail("a point without an id"));
}

}  // namespace

size_t upsert_raw_size(size_t count, const std::vector<VectorColumn> &vectors, const std::vector<std::string_view> &payloads) {
    size_t total = 64 + count * 40;
    for (const auto &column : vectors) {
        total += count * (column.name.size() + 16);
        total += column.bounds ? size_t(column.bounds[count] - column.bounds[0]) : count * column.row_bytes;
    }
    for (const auto &payload : payloads) total += payload.size();
    return total;
}

const char *encode_upsert_raw(size_t count, const Ids &ids, const std::vector<VectorColumn> &vectors,
                              const std::vector<std::string_view> &payloads, Buffer &out, size_t &bad) {
    Writer write(out);
    write.head(map, 1);
    write.string("upsert_points_raw");
    write.head(array, count);
    for (size_t i = 0; i < count; ++i) {
        write.head(map, 3);
        write.string("id");
        write_id(write, ids, i);
        write.string("vectors");
        size_t present = 0;
        for (const auto &column : vectors) present += !column.present || column.present[i];
        write.head(array, present);
        for (const auto &column : vectors) {
            if (column.present && !column.present[i]) continue;
            write.head(array, 2);
            write.string(column.name);
            if (column.bounds) write.blob(column.data + column.bounds[i], size_t(column.bounds[i + 1] - column.bounds[i]));
            else write.blob(column.data + i * column.row_bytes, column.row_bytes);
        }
        write.string("payload");
        if (payloads.empty() || !payloads[i].data()) {
            write.null();
        } else if (const char *error = from_json(payloads[i], out)) {
            bad = i;
            return error;
        }
    }
    return nullptr;
}

bool decode_id(Reader &reader, const Item &item, Buffer &scratch, uint64_t &low, uint64_t &high, uint8_t &is_uuid) {
    std::string_view string;
    high = 0;
    is_uuid = item.major != unsigned_int;
    if (item.major == unsigned_int) return low = item.value, true;
    if (item.major == bytes) {
        if (!read_bytes(reader, item, scratch, string)) return false;
        if (string.size() != 16) return reader.fail("a UUID has 16 bytes");
        low = 0;
        for (int k = 0; k < 8; ++k) high = high << 8 | uint8_t(string[k]), low = low << 8 | uint8_t(string[8 + k]);
        return true;
    }
    if (!read_text(reader, item, scratch, string)) return false;
    return parse_uuid(string, high, low) || reader.fail("a point id is a number or a UUID");
}

bool decode_points(Reader &reader, const Item &item, DecodedPoints &out) {
    if (item.major != array) return reader.fail("points are a list");
    Buffer scratch;
    const size_t record_bytes = reader.position() + reader.remaining();
    if (!each_entry(reader, item, [&](const Item &point) { return decode_point(reader, point, scratch, out); })) return false;
    // A dense table of all names and points is what the caller gets: refuse records built to make it huge.
    const size_t cells = out.vectors.size() * out.low.size();
    return cells <= 64 * record_bytes + (size_t(1) << 20) || reader.fail("too many vector names");
}

}  // namespace edgeshard::cbor
