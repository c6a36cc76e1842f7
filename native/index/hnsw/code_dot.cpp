// Scalar kernels (the definition) and the choice of one.
#include "index/hnsw/code_dot.hpp"

namespace edgeshard {

void listed_dots_scalar(const uint8_t* codes, size_t stride, DotQuery query, const uint32_t* ids, size_t n,
                     int32_t* out) {
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* row = codes + ids[i] * stride;
        int32_t sum = 0;
        for (size_t j = 0; j < stride; ++j) sum += (static_cast<int32_t>(row[j]) - 128) * query.values[j];
        out[i] = sum;
    }
}

int32_t row_query_scalar(const uint8_t* row, size_t stride, int8_t* values) {
    int32_t sum = 0;
    for (size_t j = 0; j < stride; ++j) {
        values[j] = static_cast<int8_t>(row[j] ^ 0x80);
        sum += values[j];
    }
    return sum;
}

ListedDotsFn listed_dots_fn(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::avx2: return listed_dots_avx2;
        case Isa::avx512: return listed_dots_avx512;
#elif defined(__aarch64__)
        case Isa::neon: return listed_dots_neon;
        case Isa::dotprod: return listed_dots_dotprod;
#endif
        default: return listed_dots_scalar;
    }
}

RowQueryFn row_query_fn(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::avx2: return row_query_avx2;
        case Isa::avx512: return row_query_avx512;
#elif defined(__aarch64__)
        case Isa::neon:
        case Isa::dotprod: return row_query_neon;
#endif
        default: return row_query_scalar;
    }
}

}  // namespace edgeshard
