// Byte codes (codes8.hpp) for any processor: u8 codes and i8 query -> exact i32 dot product -> f32 bounds.
// The definition: one product after the other in 32 bits.
#include <limits>

#include "kernels/codes8/codes8.hpp"

namespace edgeshard {
namespace {

void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t query_sum, size_t stride, int32_t* out) {
    for (int j = 0; j < 4; ++j) out[j] = dot_u8i8_scalar(rows[j], query, query_sum, stride);
}

// In double: the product is exact, the difference nearly so.
float residual(float x, float scale, float v) {
    return static_cast<float>(static_cast<double>(x) - static_cast<double>(scale) * static_cast<double>(v));
}

}  // namespace
}  // namespace edgeshard

#include "kernels/codes8/loops.hpp"

namespace edgeshard {

int32_t dot_u8i8_scalar(const uint8_t* codes, const int8_t* query, int32_t, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; ++i) sum += (int32_t{codes[i]} - 128) * query[i];
    return sum;
}

void bounds_codes8_scalar(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                          float* lower, float* upper) {
    bounds(query, rows, first, listed, n, lower, upper);
}

void encode_codes8_scalar(const float* row, size_t dim, uint8_t* codes, size_t stride, float* scale, float* error,
                          float* norm) {
    encode(row, dim, codes, stride, scale, error, norm);
}

}  // namespace edgeshard
