#include "codec/json_select.hpp"

#include "codec/json_scan.hpp"

namespace edgeshard {
namespace {

using json::Kind;
using json::Path;
using json::Scanner;
using json::Step;

using Paths = std::vector<const Path *>;

class Selector {
public:
  Selector(std::string_view raw, bool include, std::string &out) : scan_(raw), include_(include), out_(out) {}

  const char *run(const Paths &paths) {
    const char *at = scan_.skip_blanks(scan_.begin());
    if (scan_.kind(at) != Kind::object)
      return "expected an object";
    reduce(at, paths, 0);
    return scan_.reason();
  }

private:
  // Appends what `paths`, all of them longer than `depth`, leave of the value; the position past it or nullptr.
  const char *reduce(const char *at, const Paths &paths, size_t depth) {
    if (depth >= json::max_depth)
      return scan_.fail(at, "nested too deeply");
    const Kind kind = scan_.kind(at);
    if (kind == Kind::object && (include_ || !paths.empty()))
      return reduce_object(at, paths, depth);
    const Paths below = kind == Kind::array ? paths_into_elements(paths, depth) : Paths();
    if (kind == Kind::array && (include_ || !below.empty()))
      return reduce_array(at, below, depth);
    return copy(at);
  }

  const char *reduce_object(const char *at, const Paths &paths, size_t depth) {
    out_.push_back('{');
    bool first = true;
    const char *past = scan_.each_member(at, [&](std::string_view key, const char *value) -> const char * {
      const Paths below = paths_into_key(paths, depth, key);
      const bool ends = any_ends(below, depth + 1);
      if (include_ ? below.empty() : ends)
        return nullptr;
      if (!first)
        out_.push_back(',');
      first = false;
      out_.append("\"").append(key).append("\":");
      return ends ? copy(value) : reduce(value, below, depth + 1);
    });
    out_.push_back('}');
    return past;
  }

  const char *reduce_array(const char *at, const Paths &below, size_t depth) {
    const bool ends = any_ends(below, depth + 1);
    const bool drop = include_ ? below.empty() : ends;
    out_.push_back('[');
    bool first = true;
    const char *past = scan_.each_element(at, [&](const char *element) -> const char * {
      if (drop)
        return nullptr;
      if (!first)
        out_.push_back(',');
      first = false;
      return ends ? copy(element) : reduce(element, below, depth + 1);
    });
    out_.push_back(']');
    return past;
  }

  const char *copy(const char *at) {
    const char *past = scan_.value_end(at);
    if (past != nullptr)
      out_.append(at, size_t(past - at));
    return past;
  }

  Paths paths_into_key(const Paths &paths, size_t depth, std::string_view key) {
    Paths below;
    for (const Path *path : paths)
      if ((*path)[depth].kind == Step::Kind::key && json::same_key(key, (*path)[depth].key, buffer_))
        below.push_back(path);
    return below;
  }

  static Paths paths_into_elements(const Paths &paths, size_t depth) {
    Paths below;
    for (const Path *path : paths)
      if ((*path)[depth].kind == Step::Kind::elements)
        below.push_back(path);
    return below;
  }

  static bool any_ends(const Paths &paths, size_t depth) {
    for (const Path *path : paths)
      if (path->size() == depth)
        return true;
    return false;
  }

  Scanner scan_;
  bool include_;
  std::string &out_;
  std::string buffer_;
};

} // namespace

const char *select_json(std::string_view raw, const std::vector<Path> &paths, bool include, std::string &out) {
  Paths all;
  for (const Path &path : paths)
    all.push_back(&path);
  return Selector(raw, include, out).run(all);
}

} // namespace edgeshard
