// Merging into payloads as raw JSON: what does not change is copied as it stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace edgeshard::json {

// The members of an object that is merged into others.
class Patch {
public:
  // `text` must outlive the patch. Check `reason()` before use.
  explicit Patch(std::string_view text);

  const char *reason() const { return reason_; } // what is wrong with `text`, or nullptr

  // Appends `object` after the merge: each member of the patch replaces the value of its key as a whole, keys that are
  // new go last, and a null removes its key, whose place the last one takes. Returns what is wrong with `object`, or
  // nullptr; then `at` says where.
  const char *apply(std::string_view object, std::string &out, size_t &at);

private:
  struct Member {
    std::string_view key, value; // as written, the key between its quotes
  };
  struct Change {
    std::string key; // as it reads
    Member member;
    bool removes;
  };

  std::vector<Change> changes_;
  std::vector<Member> members_; // of the object at hand
  std::string buffer_;
  const char *reason_ = nullptr;
};

} // namespace edgeshard::json
