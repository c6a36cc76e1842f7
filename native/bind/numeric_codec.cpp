// Stored forms of vectors: element conversion of dense ones, packing of sparse ones.
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/gil.hpp"
#include "bind/owned.hpp"
#include "bind/point_id.hpp"
#include "bind/register.hpp"
#include "bind/vector_buffer.hpp"
#include "storage/convert.hpp"
#include "storage/sparse_codec.hpp"

namespace edgeshard::bind {
namespace {

Element element_of(int code) {
  if (code < 0 || code > 2) throw nb::value_error("element type must be 0 (float32), 1 (float16) or 2 (uint8)");
  return static_cast<Element>(code);
}

using AnyOutput = nb::ndarray<nb::c_contig, nb::device::cpu>;

size_t element_bytes(Element type) { return type == Element::float32 ? 4 : type == Element::float16 ? 2 : 1; }

void convert_to_stored(nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu> rows, bool normalise,
                       int element, AnyOutput out) {
  const Element type = element_of(element);
  if (out.size() != rows.size() || out.itemsize() != element_bytes(type))
    throw nb::value_error("the output does not have the shape and type of the result");
  edgeshard::GilRelease release;
  to_stored(rows.data(), rows.shape(0), rows.shape(1), normalise, type, out.data());
}

// A query in stored form, (1, dim). One row is not worth giving the interpreter away.
nb::object stored_row(const float *row, size_t dim, bool normalise, Element type) {
  const auto convert = [&](auto out) {
    to_stored(row, 1, dim, normalise, type, out.data);
    return out.array;
  };
  if (type == Element::float32) return convert(edgeshard::new_array<float>({1, dim}));
  if (type == Element::float16) return convert(edgeshard::new_array<edgeshard::Half>({1, dim}));
  return convert(edgeshard::new_array<uint8_t>({1, dim}));
}

nb::object query_row(nb::object vector, bool normalise, int element) {
  const edgeshard::Array row(vector, "vector", "f", "float32", 1);
  return stored_row(row.data<float>(), row.shape(0), normalise, element_of(element));
}

// query_row of any numbers; None unless they are `dim` finite ones in one dimension.
nb::object number_row(nb::handle vector, size_t dim, bool normalise, int element) {
  const Element type = element_of(element);
  const edgeshard::bind::Buffer buffer(vector.ptr());
  if (!buffer.ok() || buffer.view().ndim != 1 || static_cast<size_t>(buffer.view().shape[0]) != dim) return nb::none();
  const edgeshard::bind::CastRow cast = edgeshard::bind::cast_row_of(buffer.view());
  if (!cast) return nb::none();
  std::vector<float> row(dim);
  cast(static_cast<const char *>(buffer.view().buf), buffer.view().strides[0], row.data(), buffer.view().shape[0]);
  bool finite = true;
  for (const float x : row) finite &= x - x == 0;
  return finite ? stored_row(row.data(), dim, normalise, type) : nb::none();
}

void convert_from_stored(nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu> rows, int element,
                         nb::ndarray<float, nb::c_contig, nb::device::cpu> out) {
  const Element type = element_of(element);
  if (out.size() != rows.size() || rows.itemsize() != element_bytes(type))
    throw nb::value_error("the rows do not have the stated type or the output another size");
  edgeshard::GilRelease release;
  from_stored(rows.data(), rows.size(), type, out.data());
}

void check_bounds(const Input<int64_t> &bounds, size_t size, const char *what) {
  if (bounds.size() == 0 || bounds.data()[0] != 0) throw nb::value_error(what);
  for (size_t i = 1; i < bounds.size(); ++i)
    if (bounds.data()[i] < bounds.data()[i - 1] || static_cast<size_t>(bounds.data()[i]) > size)
      throw nb::value_error(what);
}

nb::tuple pack(Input<int64_t> indptr, Input<uint32_t> indices, Input<float> values) {
  if (values.size() != indices.size()) throw nb::value_error("as many values as indices are needed");
  check_bounds(indptr, indices.size(), "indptr must ascend from 0 to the number of indices");
  std::vector<uint8_t> data;
  std::vector<int64_t> bounds(1, 0);
  {
    edgeshard::GilRelease release;
    data.reserve(indices.size() * 8 + indptr.size() * 16);
    std::vector<uint32_t> order, sorted;
    std::vector<float> moved;
    for (size_t i = 1; i < indptr.size(); ++i) {
      const auto first = static_cast<size_t>(indptr.data()[i - 1]), count = static_cast<size_t>(indptr.data()[i]) - first;
      std::span<const uint32_t> row(indices.data() + first, count);
      const float *weights = values.data() + first;
      if (!std::is_sorted(row.begin(), row.end())) {
        order.resize(count), sorted.resize(count), moved.resize(count);
        std::iota(order.begin(), order.end(), 0u);
        std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return row[a] < row[b]; });
        for (size_t j = 0; j < count; ++j) sorted[j] = row[order[j]], moved[j] = weights[order[j]];
        row = sorted, weights = moved.data();
      }
      pack_sparse(row, weights, data);
      bounds.push_back(static_cast<int64_t>(data.size()));
    }
  }
  return nb::make_tuple(owned_array(std::move(data)), owned_array(std::move(bounds)));
}

// Values of no bytes are vectors that are not there; they give empty rows.
nb::tuple unpack(Input<uint8_t> data, Input<int64_t> bounds) {
  check_bounds(bounds, data.size(), "bounds must ascend from 0 within the data");
  std::vector<int64_t> indptr(1, 0);
  std::vector<uint32_t> indices;
  std::vector<float> values;
  const char *reason = nullptr;
  size_t bad = 0;
  {
    edgeshard::GilRelease release;
    const auto value_at = [&](size_t i) {
      const auto first = static_cast<size_t>(bounds.data()[i - 1]);
      return std::span<const uint8_t>(data.data() + first, static_cast<size_t>(bounds.data()[i]) - first);
    };
    for (size_t i = 1; i < bounds.size() && !reason; ++i) {
      const auto value = value_at(i);
      const int64_t count = value.empty() ? 0 : sparse_count(value, reason);
      if (reason) bad = i - 1;
      indptr.push_back(indptr.back() + std::max<int64_t>(count, 0));
    }
    indices.resize(static_cast<size_t>(indptr.back()));
    values.resize(indices.size());
    for (size_t i = 1; i < bounds.size() && !reason; ++i) {
      const auto first = static_cast<size_t>(indptr[i - 1]), count = static_cast<size_t>(indptr[i]) - first;
      if (count && !unpack_sparse(value_at(i), count, indices.data() + first, values.data() + first)) {
        reason = "an index exceeds 32 bits";
        bad = i - 1;
      }
    }
  }
  if (reason) throw nb::value_error(("vector " + std::to_string(bad) + ": " + reason).c_str());
  return nb::make_tuple(owned_array(std::move(indptr)), owned_array(std::move(indices)), owned_array(std::move(values)));
}

}  // namespace
}  // namespace edgeshard::bind

void register_numeric_codec(nb::module_ &m) {
  using namespace edgeshard::bind;
  m.def("to_stored", &convert_to_stored);
  m.def("query_row", &query_row);
  m.def("number_row", &number_row);
  m.def("from_stored", &convert_from_stored);
  m.def("pack_sparse", &pack);
  m.def("unpack_sparse", &unpack);
}
