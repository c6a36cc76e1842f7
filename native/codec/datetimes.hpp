// Dates as payloads spell them, in microseconds since 1970-01-01T00:00:00Z.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace edgeshard {

// The date in `text` (UTF-8), UTC unless it names an offset; nothing if it is no date. Three forms are tried in turn,
// those of the parsers Qdrant tries; they differ in where blanks may stand:
//   relaxed  Y -M -D(T|t|blank)h :m :s.f zone           blanks before every separator and at the end; hh:mm offsets
//   offset   Y-M-D(T|blanks)h:m:s.f zone                Z, or an offset that may lack its minutes
//   naive    Y-M-D[(T|blanks)h:m[:s.f]]                 no zone
// Blanks may precede every number. Numbers take as many digits as they may, which is why 2024-01-0110:20 is a date.
std::optional<int64_t> parse_datetime(std::string_view text);

} // namespace edgeshard
