// From raw JSON payloads to a column: all values of one path, typed and flat.
//
// A path leads to zero or more values of a point (several only through "[]"). A value that is an array stands for its
// elements, one level deep; any other value stands for itself. These are the entries of the point, and what match,
// range and geo conditions test. What emptiness and null conditions ask of the values themselves is kept in one byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json_path.hpp"
#include "index/columns_strings.hpp"

namespace edgeshard::columns {

using json::Path;
using json::Step;

// Type of an entry; what each of the arrays of a batch holds for it.
enum Tag : uint8_t {
  tag_missing = 0,
  tag_null = 1,
  tag_false = 2,
  tag_true = 3,
  tag_integer = 4, // in numbers, and in integers if the column has them
  tag_real = 5,    // in numbers; also integers beyond 64 bits
  tag_string = 6,  // in strings
  tag_array = 7,   // an array inside of an array
  tag_object = 8,
  tag_geo = 9, // an object with numeric "lon" and "lat"; in lons and lats
};

// Facts about the values of a point, a bit each.
enum Fact : uint8_t {
  fact_present = 1,  // there is a value
  fact_empty = 2,    // one is null or []
  fact_filled = 4,   // one is neither
  fact_null = 8,     // one is null or an array with a null in it
  fact_not_null = 16 // one is not
};

// What the batch holds of each value.
enum class Mode {
  entries, // see above
  counts,  // one integer per value: how many values it stands for (null 0, array its length, else 1); 0 if missing
};

// Arrays with one item per entry; the optional ones are empty while no entry needs them, and hold NaN or 0 for the
// entries that do not.
struct Batch {
  std::vector<uint32_t> entry_counts; // per point
  std::vector<uint8_t> facts;         // per point
  std::vector<uint8_t> tags;
  std::vector<double> numbers;   // optional
  std::vector<int64_t> integers; // optional: only if some integer is beyond 2^53
  std::vector<uint32_t> strings; // optional: codes, 0 is no string
  std::vector<double> lons;      // optional
  std::vector<double> lats;      // optional
};

// Object elements of arrays, for nested conditions: slices of the input.
struct Elements {
  std::vector<uint32_t> counts; // per point
  std::vector<int64_t> starts;
  std::vector<int64_t> ends;
};

struct Failure {
  int64_t point = -1; // position in the input, -1 if all went well
  int64_t byte = 0;   // where in its payload
  std::string reason;
};

// The payloads of `count` points: payload i is data[bounds[i]..bounds[i+1]), empty if the point has none. The caller
// has checked that bounds ascend within data.
struct Payloads {
  const char *data;
  const int64_t *bounds;
  size_t count;

  std::string_view operator[](size_t i) const { return {data + bounds[i], size_t(bounds[i + 1] - bounds[i])}; }
};

Failure extract(const Payloads &payloads, const Path &path, Mode mode, Strings &strings, Batch &out);

// The objects among the values of `path`, which ends with "[]".
Failure extract_elements(const Payloads &payloads, const Path &path, Elements &out);

} // namespace edgeshard::columns
