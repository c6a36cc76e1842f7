// The operation upsert_points_raw as columns: `{"upsert_points_raw":[{"id":P,"vectors":[[name,bytes]..],"payload":PL}..]}`.
//
// Vectors are the bytes of the vector storage of that name, so that logging a batch copies each row once and replaying
// it does not repeat normalisation or rounding. Payloads are JSON text here and CBOR maps there.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "codec/cbor.hpp"

namespace edgeshard::cbor {

/// n ids: numbers in `low`; a UUID is the big-endian integer high:low.
struct Ids {
    const uint64_t *low = nullptr;
    const uint64_t *high = nullptr;     // null: all are numbers
    const uint8_t *is_uuid = nullptr;   // null: all are numbers
};

/// The vectors of one name. Row i is data[i * row_bytes ..], or data[bounds[i] .. bounds[i + 1]] when bounds is given.
struct VectorColumn {
    std::string name;
    const uint8_t *data = nullptr;
    size_t row_bytes = 0;
    const int64_t *bounds = nullptr;
    const uint8_t *present = nullptr;   // null: every point has one
};

/// How many bytes encode_upsert_raw will need, about.
size_t upsert_raw_size(size_t count, const std::vector<VectorColumn> &vectors, const std::vector<std::string_view> &payloads);

/// Appends the whole operation. `payloads` holds n JSON texts (a null view = no payload) or is empty. Returns nullptr
/// or what is wrong with payload number `bad`.
const char *encode_upsert_raw(size_t count, const Ids &ids, const std::vector<VectorColumn> &vectors,
                              const std::vector<std::string_view> &payloads, Buffer &out, size_t &bad);

/// What decode_upsert_raw yields for one name.
struct DecodedVectors {
    std::string name;
    Buffer data;
    std::vector<size_t> points;   // which points have it, ascending
    std::vector<int64_t> ends;    // where the bytes of each end
};

struct DecodedPoints {
    std::vector<uint64_t> low, high;
    std::vector<uint8_t> is_uuid;
    std::vector<std::unique_ptr<DecodedVectors>> vectors;
    Buffer payloads;
    std::vector<int64_t> payload_bounds{0};
    std::vector<uint8_t> has_payload;
};

/// Reads one id: an unsigned integer, 16 bytes, or the text of a UUID.
bool decode_id(Reader &reader, const Item &item, Buffer &scratch, uint64_t &low, uint64_t &high, uint8_t &is_uuid);

/// Reads the list of points behind the key "upsert_points_raw"; `item` is its head.
bool decode_points(Reader &reader, const Item &item, DecodedPoints &out);

}  // namespace edgeshard::cbor
