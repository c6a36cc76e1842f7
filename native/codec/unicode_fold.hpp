#pragma once
#include <cstdint>

namespace edgeshard::unicode {

struct FoldEntry {
    std::uint32_t code;
    const char *ascii;
};
inline constexpr FoldEntry fold_entries[] = {{0xDF, "ss"}};

}  // namespace edgeshard::unicode
