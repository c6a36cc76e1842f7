#include "index/value_counts.hpp"

#include <algorithm>
#include <functional>
#include <queue>

namespace edgeshard::columns {

ValuesByPoint group_by_point(const uint32_t *owners, const uint32_t *numbers, size_t pairs, size_t points) {
  ValuesByPoint found;
  std::vector<int64_t> &starts = found.starts;
  starts.assign(points + 1, 0);
  for (size_t i = 0; i < pairs; ++i)
    if (owners[i] < points)
      ++starts[owners[i] + 1];
  for (size_t p = 0; p < points; ++p)
    starts[p + 1] += starts[p];
  found.numbers.resize(size_t(starts[points]));
  std::vector<int64_t> next(starts.begin(), starts.end() - 1);
  for (size_t i = 0; i < pairs; ++i)
    if (owners[i] < points)
      found.numbers[size_t(next[owners[i]]++)] = numbers[i];
  int64_t kept = 0; // each value of a point once
  for (size_t p = 0; p < points; ++p) {
    const auto first = found.numbers.begin() + starts[p];
    const auto last = found.numbers.begin() + next[p];
    starts[p] = kept;
    if (last - first > 1)
      std::sort(first, last);
    const auto end = std::unique(first, last);
    kept = std::copy(first, end, found.numbers.begin() + kept) - found.numbers.begin();
  }
  starts[points] = kept;
  found.numbers.resize(size_t(kept));
  return found;
}

bool count_values(const int64_t *starts, size_t points, const uint32_t *numbers, size_t numbers_size,
                  const uint32_t *chosen, size_t chosen_size, size_t groups, int64_t *counts) {
  std::fill(counts, counts + groups, 0);
  for (size_t i = 0; i < chosen_size; ++i) {
    if (chosen[i] >= points)
      return false;
    const int64_t first = starts[chosen[i]], last = starts[chosen[i] + 1];
    if (first < 0 || last > int64_t(numbers_size))
      return false;
    for (int64_t at = first; at < last; ++at) {
      if (numbers[at] >= groups)
        return false;
      ++counts[numbers[at]];
    }
  }
  return true;
}

MostFrequent most_frequent(const int64_t *counts, size_t groups, size_t wanted) {
  MostFrequent found;
  if (wanted == 0)
    return found;
  std::priority_queue<int64_t, std::vector<int64_t>, std::greater<>> largest;
  int64_t bar = 0; // what a count has to exceed to change the heap
  for (size_t i = 0; i < groups; ++i) {
    if (counts[i] <= bar)
      continue;
    if (largest.size() == wanted)
      largest.pop();
    largest.push(counts[i]);
    if (largest.size() == wanted)
      bar = largest.top();
  }
  for (size_t i = 0; i < groups; ++i) {
    if (counts[i] > bar)
      found.above.push_back(uint32_t(i));
    else if (counts[i] == bar && bar > 0)
      found.tied.push_back(uint32_t(i));
  }
  return found;
}

void order_strings(const Strings &strings, std::vector<uint32_t> &codes, size_t wanted) {
  const auto middle = codes.begin() + std::ptrdiff_t(std::min(wanted, codes.size()));
  std::partial_sort(codes.begin(), middle, codes.end(),
                    [&](uint32_t left, uint32_t right) { return strings.text(left) < strings.text(right); });
}

} // namespace edgeshard::columns
