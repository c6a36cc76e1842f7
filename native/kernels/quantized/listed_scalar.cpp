// The definition of the kernels over listed rows of codes, and the choice between instruction sets.
#include "kernels/quantized/listed_loops.hpp"

namespace edgeshard::quantized {
namespace {

void listed_dots(const uint8_t* rows, const ListedQuery& query, const uint32_t* ids, size_t n, int32_t* out) {
    const unsigned planes = 8 / query.bits, mask = (1u << query.bits) - 1;
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* row = rows + ids[i] * query.stride;
        int32_t sum = 0;
        for (unsigned p = 0; p < planes; ++p) {
            const int8_t* plane = query.planes + p * query.stride;
            for (size_t j = 0; j < query.stride; ++j) {
                const unsigned code = (row[j] >> (p * query.bits)) & mask;
                sum += static_cast<int32_t>(query.bits == 8 ? code : query.levels[code]) * plane[j];
            }
        }
        out[i] = sum;
    }
}

}  // namespace

ListedKernels listed_kernels_scalar() { return {listed_dots, listed_bits}; }

ListedKernels listed_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return listed_kernels_avx512();
    if (isa == Isa::avx2) return listed_kernels_avx2();
#elif defined(__aarch64__)
    if (isa == Isa::dotprod) return listed_kernels_dotprod();
    if (isa == Isa::neon) return listed_kernels_neon();
#endif
    return listed_kernels_scalar();
}

}  // namespace edgeshard::quantized
