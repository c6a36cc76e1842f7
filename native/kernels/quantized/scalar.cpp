// The definition of the kernels over compressed vectors, in plain C++, and the choice between instruction sets.
#include "kernels/quantized/loops.hpp"

namespace edgeshard::quantized {
namespace {

void plane_dots(const PlaneQuery& query, RowPointers rows, size_t n, int64_t* sums) {
    const unsigned planes = 8 / query.bits, mask = (1u << query.bits) - 1;
    each_row(rows, n, query.bytes, sums, [&](const uint8_t* row) {
        int64_t sum = 0;
        for (unsigned p = 0; p < planes; ++p) {
            const int16_t* whole = query.whole + p * query.plane;
            for (size_t i = 0; i < query.bytes; ++i) {
                const unsigned code = (row[i] >> (p * query.bits)) & mask;
                sum += static_cast<int32_t>(query.bits == 8 ? code : query.levels[code]) * whole[i];
            }
        }
        return sum;
    });
}

void byte_dots(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums) {
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        uint32_t sum = 0;
        for (size_t i = 0; i < bytes; ++i) sum += static_cast<uint32_t>(row[i]) * query[i];
        return static_cast<int32_t>(sum);
    });
}

void byte_distances(const uint8_t* query, RowPointers rows, size_t n, size_t bytes, int32_t* sums) {
    each_row(rows, n, bytes, sums, [&](const uint8_t* row) {
        int32_t sum = 0;
        for (size_t i = 0; i < bytes; ++i) sum += row[i] > query[i] ? row[i] - query[i] : query[i] - row[i];
        return sum;
    });
}

void word_dots(const float* query, RowPointers rows, size_t n, size_t dim, float* sums) {
    each_row(rows, n, 2 * dim, sums, [&](const uint8_t* row) {
        float sum[8] = {};
        size_t i = 0;
        for (; i + 8 <= dim; i += 8)
            for (size_t j = 0; j < 8; ++j) sum[j] += query[i + j] * load_i16(row + 2 * (i + j));
        for (; i < dim; ++i) sum[0] += query[i] * load_i16(row + 2 * i);
        return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
    });
}

}  // namespace

Kernels kernels_scalar() {
    return {plane_dots, byte_dots, byte_distances, bit_distances, word_dots, table_sums, nearest};
}

Kernels kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return kernels_avx512();
    if (isa == Isa::avx2) return kernels_avx2();
#elif defined(__aarch64__)
    if (isa == Isa::dotprod) return kernels_dotprod();
    if (isa == Isa::neon) return kernels_neon();
#endif
    return kernels_scalar();
}

}  // namespace edgeshard::quantized
