#include "kernels/codes8/codes8.hpp"

namespace edgeshard {

CodeKernels code_kernels(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::avx2: return {dot_u8i8_avx2, bounds_codes8_avx2, encode_codes8_avx2};
        case Isa::avx512: return {dot_u8i8_avx512, bounds_codes8_avx512, encode_codes8_avx512};
#elif defined(__aarch64__)
        case Isa::neon: return {dot_u8i8_neon, bounds_codes8_neon, encode_codes8_neon};
        case Isa::dotprod: return {dot_u8i8_dotprod, bounds_codes8_dotprod, encode_codes8_neon};
#endif
        default: return {dot_u8i8_scalar, bounds_codes8_scalar, encode_codes8_scalar};
    }
}

}  // namespace edgeshard
