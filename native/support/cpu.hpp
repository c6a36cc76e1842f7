// Which instruction set the kernels of this process use.
//
// Every operation exists once per instruction set; the scalar one is the definition, the others are tested against
// it. The choice is made once, at first use: the best set the processor and the operating system offer, capped by
// the environment variable EDGESHARD_CPU (scalar, neon, dotprod, avx2 or avx512).
#pragma once
#include <optional>
#include <string_view>

namespace edgeshard {

// Ordered: a larger value is a better set of the same processor family.
enum class Isa { scalar = 0, neon = 1, dotprod = 2, avx2 = 3, avx512 = 4 };

// Whether this machine can run kernels written for `isa` and this build contains them.
//   neon    every 64-bit Arm
//   dotprod NEON with the dot products of bytes that are optional in Armv8.2 (Cortex-A55, A75, A76, Apple M1 and later).
//           Kernels that have no use for them are those of neon.
//   avx2    AVX2 + FMA + F16C + BMI1/2 (Haswell, Zen and later)
//   avx512  F + BW + DQ + VL + VNNI (Cascade Lake, Ice Lake, Zen 4 and later)
bool isa_available(Isa isa);

// The best available set not above the cap; an unknown value of EDGESHARD_CPU is ignored.
Isa best_isa();

// "scalar", "neon", "dotprod", "avx2" or "avx512".
std::string_view isa_name(Isa isa);
std::optional<Isa> isa_from_name(std::string_view name);

}  // namespace edgeshard
