#include "index/columns_extract.hpp"

#include <limits>

#include "codec/json_scan.hpp"

namespace edgeshard::columns {
namespace {

using json::Kind;
using json::Scanner;

constexpr size_t max_steps = json::max_depth; // no payload is deeper
constexpr int64_t exact_in_double = int64_t(1) << 53;

// Calls emit(position) for every value of a path; emit returns the position past the value, nullptr if damaged.
template <class Emit> class Walker {
public:
  Walker(const Path &path, Emit emit) : path_(path), emit_(std::move(emit)) {}

  // Whether the walk through `text` went well.
  bool walk(Scanner &scan) {
    const char *at = scan.skip_blanks(scan.begin());
    if (scan.kind(at) != Kind::object)
      return scan.fail(at, "expected an object"), false;
    descend(scan, at, 0);
    return !scan.failed();
  }

private:
  const char *descend(Scanner &scan, const char *at, size_t depth) {
    if (depth == path_.size())
      return emit_(scan, at);
    const Step &step = path_[depth];
    const Kind kind = scan.kind(at);
    if (step.kind == Step::Kind::key)
      return kind == Kind::object ? member(scan, at, depth) : nullptr;
    if (kind != Kind::array)
      return nullptr;
    uint64_t position = 0;
    return scan.each_element(at, [&](const char *element) -> const char * {
      const bool wanted = step.kind == Step::Kind::elements || position == step.position;
      ++position;
      return wanted ? descend(scan, element, depth + 1) : nullptr;
    });
  }

  // Keys are distinct, so the walk ends at the first that fits.
  const char *member(Scanner &scan, const char *at, size_t depth) {
    const char *past = scan.each_member(at, [&](std::string_view key, const char *value) -> const char * {
      if (!json::same_key(key, path_[depth].key, buffer_))
        return nullptr;
      descend(scan, value, depth + 1);
      return scan.failed() ? nullptr : Scanner::stop();
    });
    return past == Scanner::stop() ? nullptr : past;
  }

  const Path &path_;
  Emit emit_;
  std::string buffer_;
};

template <class T> void put(std::vector<T> &array, size_t entry, T value, T filler) {
  if (array.size() <= entry)
    array.resize(entry, filler);
  array.push_back(value);
}

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

// Appends entries to a batch.
class Recorder {
public:
  Recorder(Strings &strings, Batch &out) : strings_(strings), out_(out) {}

  // The entry at `at`; the position past it if that is known.
  const char *scalar(Scanner &scan, const char *at) {
    switch (scan.kind(at)) {
    case Kind::null:
      return literal(scan, at, tag_null);
    case Kind::boolean_false:
      return literal(scan, at, tag_false);
    case Kind::boolean_true:
      return literal(scan, at, tag_true);
    case Kind::number:
      return number(scan, at);
    case Kind::string:
      return string(scan, at);
    case Kind::array:
      return tagged(tag_array);
    case Kind::object:
      return object(scan, at);
    default:
      return scan.fail(at, "expected a value");
    }
  }

  void integer(int64_t value) {
    if (value > exact_in_double || value < -exact_in_double || !out_.integers.empty())
      put(out_.integers, out_.tags.size(), value, int64_t(0));
    put(out_.numbers, out_.tags.size(), double(value), no_number);
    tagged(tag_integer);
  }

  // Brings the optional arrays in use to full length. Integers that came before the first large one are filled in
  // from their numbers, which hold them exactly.
  void finish() {
    const size_t entries = out_.tags.size();
    if (!out_.numbers.empty())
      out_.numbers.resize(entries, no_number);
    if (!out_.strings.empty())
      out_.strings.resize(entries, 0);
    if (!out_.lons.empty()) {
      out_.lons.resize(entries, no_number);
      out_.lats.resize(entries, no_number);
    }
    if (out_.integers.empty())
      return;
    out_.integers.resize(entries, 0);
    for (size_t i = 0; i < entries; ++i)
      if (out_.tags[i] == tag_integer && out_.integers[i] == 0)
        out_.integers[i] = int64_t(out_.numbers[i]);
  }

private:
  const char *tagged(Tag tag) {
    out_.tags.push_back(tag);
    return nullptr;
  }

  const char *literal(Scanner &scan, const char *at, Tag tag) {
    tagged(tag);
    return scan.value_end(at);
  }

  const char *number(Scanner &scan, const char *at) {
    const char *past = scan.number_end(at);
    if (past == nullptr)
      return nullptr;
    const json::Number parsed = json::parse_number({at, size_t(past - at)});
    if (parsed.is_integer) {
      integer(parsed.integer);
    } else {
      put(out_.numbers, out_.tags.size(), parsed.real, no_number);
      tagged(tag_real);
    }
    return past;
  }

  const char *string(Scanner &scan, const char *at) {
    const char *past = scan.string_end(at);
    if (past == nullptr)
      return nullptr;
    std::string_view text(at + 1, size_t(past - at - 2));
    if (text.find('\\') != std::string_view::npos) {
      buffer_.clear();
      if (!json::append_unescaped(buffer_, text))
        return scan.fail(at, "a string has a wrong escape");
      text = buffer_;
    }
    put(out_.strings, out_.tags.size(), strings_.add(text), uint32_t(0));
    tagged(tag_string);
    return past;
  }

  const char *object(Scanner &scan, const char *at) {
    double coordinates[2] = {no_number, no_number};
    const char *past = scan.each_member(at, [&](std::string_view key, const char *value) -> const char * {
      const bool lon = json::same_key(key, "lon", buffer_);
      if ((!lon && !json::same_key(key, "lat", buffer_)) || scan.kind(value) != Kind::number)
        return nullptr;
      const char *past_number = scan.number_end(value);
      if (past_number != nullptr)
        coordinates[lon ? 0 : 1] = json::parse_number({value, size_t(past_number - value)}).real;
      return past_number;
    });
    if (past == nullptr)
      return nullptr;
    const bool geo = coordinates[0] == coordinates[0] && coordinates[1] == coordinates[1];
    if (geo) {
      put(out_.lons, out_.tags.size(), coordinates[0], no_number);
      put(out_.lats, out_.tags.size(), coordinates[1], no_number);
    }
    tagged(geo ? tag_geo : tag_object);
    return past;
  }

  Strings &strings_;
  Batch &out_;
  std::string buffer_;
};

// Records the entries of the value at `at` and returns its facts through `facts`.
const char *record_entries(Scanner &scan, const char *at, Recorder &recorder, uint8_t &facts) {
  const Kind kind = scan.kind(at);
  if (kind != Kind::array) {
    facts |= kind == Kind::null ? fact_empty | fact_null : fact_filled | fact_not_null;
    return recorder.scalar(scan, at);
  }
  bool any = false, null = false;
  const char *past = scan.each_element(at, [&](const char *element) {
    any = true;
    null |= scan.kind(element) == Kind::null;
    return recorder.scalar(scan, element);
  });
  facts |= (any ? fact_filled : fact_empty) | (null ? fact_null : fact_not_null);
  return past;
}

// Records how many values the value at `at` stands for.
const char *record_count(Scanner &scan, const char *at, Recorder &recorder) {
  const Kind kind = scan.kind(at);
  if (kind != Kind::array) {
    recorder.integer(kind != Kind::null);
    return scan.value_end(at);
  }
  int64_t length = 0;
  const char *past = scan.each_element(at, [&](const char *) -> const char * {
    ++length;
    return nullptr;
  });
  recorder.integer(length);
  return past;
}

template <class Emit>
Failure walk_all(const Payloads &payloads, const Path &path, Emit emit, auto &&after_point) {
  Walker<Emit> walker(path, std::move(emit));
  for (size_t i = 0; i < payloads.count; ++i) {
    if (!payloads[i].empty() && path.size() <= max_steps) {
      Scanner scan(payloads[i]);
      if (!walker.walk(scan))
        return {int64_t(i), int64_t(scan.failed_at()), scan.reason()};
    }
    after_point();
  }
  return {};
}

} // namespace

Failure extract(const Payloads &payloads, const Path &path, Mode mode, Strings &strings, Batch &out) {
  Recorder recorder(strings, out);
  uint8_t facts = 0;
  size_t before = 0;
  const auto emit = [&](Scanner &scan, const char *at) {
    facts |= fact_present;
    return mode == Mode::entries ? record_entries(scan, at, recorder, facts) : record_count(scan, at, recorder);
  };
  const auto after_point = [&] {
    if (mode == Mode::counts && facts == 0)
      recorder.integer(0);
    out.entry_counts.push_back(uint32_t(out.tags.size() - before));
    out.facts.push_back(facts);
    before = out.tags.size();
    facts = 0;
  };
  out.entry_counts.reserve(payloads.count);
  out.facts.reserve(payloads.count);
  out.tags.reserve(payloads.count);
  Failure failure = walk_all(payloads, path, emit, after_point);
  recorder.finish();
  return failure;
}

Failure extract_elements(const Payloads &payloads, const Path &path, Elements &out) {
  size_t before = 0;
  const auto emit = [&](Scanner &scan, const char *at) -> const char * {
    const char *past = scan.value_end(at);
    if (past != nullptr && scan.kind(at) == Kind::object) {
      out.starts.push_back(at - payloads.data);
      out.ends.push_back(past - payloads.data);
    }
    return past;
  };
  const auto after_point = [&] {
    out.counts.push_back(uint32_t(out.starts.size() - before));
    before = out.starts.size();
  };
  return walk_all(payloads, path, emit, after_point);
}

} // namespace edgeshard::columns
