// Real numbers as text, whatever the locale of the process.
#pragma once
#include <cstddef>
#include <string_view>

namespace edgeshard {

// The number nearest to a JSON number; infinite where it is too large.
double parse_real(std::string_view text);

// The shortest digits that read back as `value`, which is finite: "d.ddde±xx". Returns their length, at most 24.
size_t scientific(double value, char *out, size_t capacity);

}  // namespace edgeshard
