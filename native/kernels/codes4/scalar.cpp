// Half-byte codes (codes4.hpp) for any processor: exact i32 dot product -> f32 bounds.
// The definition: one product after the other in 32 bits, at most 15 * 127 each.
#include "kernels/codes4/codes4.hpp"

namespace edgeshard {
namespace {

void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t query_sum, size_t width, int32_t* out) {
    for (int j = 0; j < 4; ++j) {
        int32_t sum = 0;
        for (size_t i = 0; i < width; ++i) sum += (rows[j][i] & 15) * query[i] + (rows[j][i] >> 4) * query[i + width];
        out[j] = 2 * sum - 15 * query_sum;
    }
}

}  // namespace
}  // namespace edgeshard

#include "kernels/codes8/bounds.hpp"

namespace edgeshard {

void bounds_codes4_scalar(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                          float* lower, float* upper) {
    bounds(query, rows, first, listed, n, lower, upper);
}

}  // namespace edgeshard
