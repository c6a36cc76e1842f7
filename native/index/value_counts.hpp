// Counting points by value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/columns_strings.hpp"

namespace edgeshard::columns {

// The values of each point, every one once: those of point p are numbers[starts[p], starts[p + 1]).
struct ValuesByPoint {
  std::vector<int64_t> starts; // points + 1
  std::vector<uint32_t> numbers;
};

// From (owner, number) pairs in any order; pairs whose owner is not below `points` are left out.
ValuesByPoint group_by_point(const uint32_t *owners, const uint32_t *numbers, size_t pairs, size_t points);

// counts[number] = how many of the chosen points have the value, for numbers below `groups`. False, and counts
// unfinished, if a chosen point or a number of one is out of range.
bool count_values(const int64_t *starts, size_t points, const uint32_t *numbers, size_t numbers_size,
                  const uint32_t *chosen, size_t chosen_size, size_t groups, int64_t *counts);

// The numbers below `groups` of the `wanted` largest counts above 0: `above` the smallest of these counts come fewer
// than wanted, `tied` with it are all others that might be among them. Both ascend.
struct MostFrequent {
  std::vector<uint32_t> above;
  std::vector<uint32_t> tied;
};
MostFrequent most_frequent(const int64_t *counts, size_t groups, size_t wanted);

// Moves the codes of the `wanted` strings that come first in byte order to the front, in that order.
void order_strings(const Strings &strings, std::vector<uint32_t> &codes, size_t wanted);

} // namespace edgeshard::columns
