// A path into a payload, parsed (the grammar is in edgeshard/models/paths.py).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace edgeshard::json {

struct Step {
  enum class Kind { key, position, elements } kind;
  std::string key;
  uint64_t position = 0;
};

using Path = std::vector<Step>;

} // namespace edgeshard::json
