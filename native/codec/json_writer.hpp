// Compact JSON, spelled as serde_json spells it, so that stored payloads are byte for byte what Qdrant writes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace edgeshard {

// Text: only '"', '\' and U+0000..U+001F are escaped (\b \t \n \f \r, otherwise \u00xx); `utf8` must be valid UTF-8.
void json_string(std::string &out, std::string_view utf8);

void json_int(std::string &out, std::int64_t value);
void json_uint(std::string &out, std::uint64_t value);

// Shortest digits that read back to the same double; decimal notation for 1e-5 <= |x| < 1e16 (with at least ".0"),
// else `1e+16`, `1.5e-7`. Must be finite.
void json_double(std::string &out, double value);

}  // namespace edgeshard
