// JSON text <-> CBOR, without building a tree. Payloads are JSON text inside a shard and CBOR maps in its log.
#pragma once
#include <string_view>

#include "codec/cbor.hpp"

namespace edgeshard::cbor {

/// Appends the JSON value `json` as CBOR. Numbers with a point or an exponent are floats, others exact integers where
/// 64 bits hold them. Returns nullptr, or what is wrong with the text.
const char *from_json(std::string_view json, Buffer &out);

/// Appends the value whose head `item` was just read as compact JSON: keys in their order, shortest floats, `.0` on
/// integral ones. False (and reader.error) for what JSON cannot say; NaN and infinities become null as in 0.9.0.
bool to_json(Reader &reader, const Item &item, Buffer &out);

/// The text of `item` (whose head was just read), joined if it comes in parts, checked to be UTF-8.
bool read_text(Reader &reader, const Item &item, Buffer &scratch, std::string_view &text);

/// The same for byte strings.
bool read_bytes(Reader &reader, const Item &item, Buffer &scratch, std::string_view &bytes);

}  // namespace edgeshard::cbor
