#include "codec/json_merge.hpp"

#include <algorithm>

#include "codec/json_scan.hpp"

namespace edgeshard::json {
namespace {

// Calls visit(key, value as written) for each member of the object that is all of `text`.
template <class Visit> void each_member_of(Scanner &scan, std::string_view text, Visit &&visit) {
  const char *at = scan.skip_blanks(scan.begin());
  if (at >= scan.end() || scan.kind(at) != Kind::object) {
    scan.fail(at, "expected an object");
    return;
  }
  const char *past = scan.each_member(at, [&](std::string_view key, const char *value) {
    const char *end = scan.value_end(value);
    if (end != nullptr)
      visit(key, std::string_view(value, size_t(end - value)));
    return end;
  });
  if (past != nullptr && scan.skip_blanks(past) != text.data() + text.size())
    scan.fail(past, "more than one value");
}

} // namespace

Patch::Patch(std::string_view text) {
  Scanner scan(text);
  each_member_of(scan, text, [&](std::string_view key, std::string_view value) {
    Change change{{}, {key, value}, scan.kind(value.data()) == Kind::null};
    if (!append_unescaped(change.key, key))
      scan.fail(key.data(), "wrong escape in a key");
    changes_.push_back(std::move(change));
  });
  reason_ = scan.reason();
}

const char *Patch::apply(std::string_view object, std::string &out, size_t &at) {
  members_.clear();
  Scanner scan(object);
  each_member_of(scan, object, [&](std::string_view key, std::string_view value) { members_.push_back({key, value}); });
  if (scan.failed()) {
    at = scan.failed_at();
    return scan.reason();
  }
  for (const Change &change : changes_) {
    const auto found = std::find_if(members_.begin(), members_.end(), [&](const Member &member) {
      return same_key(member.key, change.key, buffer_);
    });
    if (!change.removes) {
      if (found == members_.end())
        members_.push_back(change.member);
      else
        found->value = change.member.value;
    } else if (found != members_.end()) {
      *found = members_.back();
      members_.pop_back();
    }
  }
  char before = '{';
  for (const Member &member : members_) {
    out.push_back(before);
    out.append("\"").append(member.key).append("\":").append(member.value);
    before = ',';
  }
  out.append(members_.empty() ? "{}" : "}");
  return nullptr;
}

} // namespace edgeshard::json
