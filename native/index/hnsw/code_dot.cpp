// Scalar kernel (the definition) and the choice of one.
#include "index/hnsw/code_dot.hpp"

namespace edgeshard {

void code_dot_scalar(const uint8_t* codes, size_t stride, CodeQuery query, const uint32_t* ids, size_t n,
                     int32_t* out) {
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* row = codes + ids[i] * stride;
        int32_t sum = 0;
        for (size_t j = 0; j < stride; ++j) sum += (static_cast<int32_t>(row[j]) - 128) * query.values[j];
        out[i] = sum;
    }
}

CodeDotFn code_dot_fn(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::avx2: return code_dot_avx2;
        case Isa::avx512: return code_dot_avx512;
#elif defined(__aarch64__)
        case Isa::neon: return code_dot_neon;
#endif
        default: return code_dot_scalar;
    }
}

}  // namespace edgeshard
