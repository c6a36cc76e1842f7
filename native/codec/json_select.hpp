// Payload selectors on raw JSON: what is kept is copied as it stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/json_path.hpp"

namespace edgeshard {

// Appends what a selector leaves of the object `raw`. Included paths keep the structure around them, and values where
// a path cannot go on because they are neither object nor array; excluded paths remove their subtrees. Arrays are
// entered by "[]" only: an included path that does not do so leaves [], an excluded "[]" at the end does too.
// Returns what is wrong with `raw`, or nullptr.
const char *select_json(std::string_view raw, const std::vector<json::Path> &paths, bool include, std::string &out);

} // namespace edgeshard
