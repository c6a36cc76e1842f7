// Arrays of sums in which few places matter: which of them are above a bar.
#pragma once
#include <cstddef>
#include <cstdint>

#include "support/cpu.hpp"

namespace edgeshard {

inline constexpr size_t kSumGroup = 64;  // sums a word of bits tells about

// Bit i of out[g] says whether sum g * 64 + i is above `least` and not 0 (nor NaN).
using SumsAbove = void (*)(const float* sums, size_t groups, float least, uint64_t* out);

void sums_above_scalar(const float* sums, size_t groups, float least, uint64_t* out);
void sums_above_avx2(const float* sums, size_t groups, float least, uint64_t* out);
void sums_above_avx512(const float* sums, size_t groups, float least, uint64_t* out);
void sums_above_neon(const float* sums, size_t groups, float least, uint64_t* out);

// The one for an instruction set.
SumsAbove sums_above(Isa isa);

}  // namespace edgeshard
