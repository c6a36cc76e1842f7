#include "kernels/sums/sums.hpp"

namespace edgeshard {

SumsAbove sums_above(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::avx2: return sums_above_avx2;
        case Isa::avx512: return sums_above_avx512;
#elif defined(__aarch64__)
        case Isa::neon:
        case Isa::dotprod: return sums_above_neon;
#endif
        default: return sums_above_scalar;
    }
}

}  // namespace edgeshard
