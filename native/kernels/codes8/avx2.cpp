// Byte codes (codes8.hpp) for AVX2 and FMA: u8 codes and i8 query -> exact i32 dot product -> f32 bounds.
// vpmaddubsw adds two u8 * i8 products in 16 bits and saturates, and 255 * 127 * 2 does not fit. So the product is
// taken of |v| (at most 128) and the query with v's sign (at most 127): 2 * 128 * 127 = 32,512 fits, nothing saturates.
#include <immintrin.h>

#include <cstring>
#include <limits>

#include "kernels/codes8/codes8.hpp"
#include "kernels/isa/avx2_sums.hpp"

namespace edgeshard {
namespace {

inline __m256i add_products(__m256i sum, __m256i codes, __m256i query) {
    const __m256i v = _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(v), _mm256_sign_epi8(query, v));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

inline void dots4(const uint8_t* const rows[4], const int8_t* query, int32_t, size_t stride, int32_t* out) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t i = 0; i < stride; i += 32) {
        const __m256i q = load_bytes(query + i);
        s0 = add_products(s0, load_bytes(rows[0] + i), q);
        s1 = add_products(s1, load_bytes(rows[1] + i), q);
        s2 = add_products(s2, load_bytes(rows[2] + i), q);
        s3 = add_products(s3, load_bytes(rows[3] + i), q);
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), sum4(s0, s1, s2, s3));
}

inline float residual(float x, float scale, float v) { return __builtin_fmaf(-scale, v, x); }

}  // namespace
}  // namespace edgeshard

#include "kernels/codes8/loops.hpp"

namespace edgeshard {

int32_t dot_u8i8_avx2(const uint8_t* codes, const int8_t* query, int32_t, size_t n) {
    __m256i sum = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 32 <= n; i += 32) sum = add_products(sum, load_bytes(codes + i), load_bytes(query + i));
    if (i < n) {  // a padding code may be anything where the query is zero
        uint8_t c[32] = {};
        int8_t q[32] = {};
        std::memcpy(c, codes + i, n - i);
        std::memcpy(q, query + i, n - i);
        sum = add_products(sum, load_bytes(c), load_bytes(q));
    }
    return reduce_add(sum);
}

void bounds_codes8_avx2(const CodeQuery& query, const CodeRows& rows, size_t first, const uint32_t* listed, size_t n,
                        float* lower, float* upper) {
    bounds(query, rows, first, listed, n, lower, upper);
}

void encode_codes8_avx2(const float* row, size_t dim, uint8_t* codes, size_t stride, float* scale, float* error,
                        float* norm) {
    encode(row, dim, codes, stride, scale, error, norm);
}

}  // namespace edgeshard
