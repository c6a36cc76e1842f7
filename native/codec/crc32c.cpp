// CRC-32C: slicing-by-8 tables everywhere, the CRC instruction of SSE 4.2 or ARMv8 where the CPU has it, carry-less
// multiplication of whole AVX-512 registers where there is that.
//
// The x86 instruction has a latency of three cycles and a throughput of one, so three streams run side by side; their
// registers are joined by advancing a register over a known number of zero bytes, a linear map kept as four tables
// (M. Adler, crc32c.c, 2013).
//
// Multiplication folds: a register of 128 bits is replaced by what it leaves modulo the polynomial n bytes further on,
// and added to what lies there (V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
// Instruction", Intel 2009). What is left at the end is a short message with the same remainder.
#include "codec/crc32c.hpp"

#include <array>

#include "support/cpu.hpp"
#include "support/load.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

namespace edgeshard {
namespace {

constexpr uint32_t polynomial = 0x82F63B78u;
using Table = std::array<uint32_t, 256>;

constexpr std::array<Table, 8> make_tables() {
    std::array<Table, 8> tables{};
    for (uint32_t n = 0; n < 256; ++n) {
        uint32_t crc = n;
        for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
        tables[0][n] = crc;
    }
    for (uint32_t n = 0; n < 256; ++n)
        for (size_t k = 1; k < 8; ++k) tables[k][n] = tables[0][tables[k - 1][n] & 0xFF] ^ tables[k - 1][n] >> 8;
    return tables;
}

constexpr std::array<Table, 8> tables = make_tables();

/// The product of two polynomials, whose degrees fall from the highest bit, modulo that of the checksum.
constexpr uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (; a; a <<= 1) {
        if (a >> 31) product ^= b;
        b = b & 1 ? b >> 1 ^ polynomial : b >> 1;
    }
    return product;
}

/// x^(8 n) for n = `bytes`; x^8 has bit 23.
constexpr uint32_t power_of_bytes(uint64_t bytes) {
    uint32_t power = 1u << 31;
    for (uint32_t square = 1u << 23; bytes; bytes >>= 1, square = multiply(square, square))
        if (bytes & 1) power = multiply(power, square);
    return power;
}

#if defined(__x86_64__)

constexpr size_t long_block = 4096, short_block = 256;

/// The map "advance a register over n zero bytes", by the byte of the register it is applied to.
template <size_t bytes>
struct ZeroShift {
    std::array<Table, 4> table{};

    constexpr ZeroShift() {
        constexpr uint32_t power = power_of_bytes(bytes);
        for (size_t k = 0; k < 4; ++k)
            for (uint32_t n = 1; n < 256; ++n) {
                const uint32_t rest = n & (n - 1);
                table[k][n] = rest ? table[k][rest] ^ table[k][n ^ rest] : multiply(power, n << 8 * k);
            }
    }
    uint32_t operator()(uint32_t crc) const {
        return table[0][crc & 0xFF] ^ table[1][crc >> 8 & 0xFF] ^ table[2][crc >> 16 & 0xFF] ^ table[3][crc >> 24];
    }
};

template <size_t block>
__attribute__((target("sse4.2"))) uint64_t three_streams(uint64_t crc, const uint8_t *&p, size_t &size) {
    static constexpr ZeroShift<block> shift;
    for (; size >= 3 * block; p += 3 * block, size -= 3 * block) {
        uint64_t second = 0, third = 0;
        for (size_t i = 0; i < block; i += 8) {
            crc = _mm_crc32_u64(crc, load<uint64_t>(p + i));
            second = _mm_crc32_u64(second, load<uint64_t>(p + block + i));
            third = _mm_crc32_u64(third, load<uint64_t>(p + 2 * block + i));
        }
        crc = shift(uint32_t(crc)) ^ second;
        crc = shift(uint32_t(crc)) ^ third;
    }
    return crc;
}

__attribute__((target("sse4.2"))) uint32_t crc32c_sse42(uint32_t start, const void *data, size_t size) {
    const uint8_t *p = static_cast<const uint8_t *>(data);
    uint64_t crc = ~start;
    crc = three_streams<long_block>(crc, p, size);
    crc = three_streams<short_block>(crc, p, size);
    for (; size >= 8; p += 8, size -= 8) crc = _mm_crc32_u64(crc, load<uint64_t>(p));
    for (; size; ++p, --size) crc = _mm_crc32_u8(uint32_t(crc), *p);
    return ~uint32_t(crc);
}

constexpr size_t fold_block = 256, fold_least = 1024;

/// x^(8 n - 1) as the upper half of a register whose degrees fall from its lowest bit: the product of two of those lies
/// one bit too low, which is a factor of x.
constexpr uint64_t factor(size_t bytes) {
    constexpr uint32_t one_less = polynomial << 1 | 1;  // x^-1: x * it = the polynomial + 1
    return uint64_t(multiply(power_of_bytes(bytes), one_less)) << 32;
}

/// Carries each 128 bits of `from` over one block and adds `next`.
__attribute__((target("avx512f,vpclmulqdq"), always_inline)) inline __m512i fold(__m512i from, __m512i next) {
    constexpr uint64_t low = factor(fold_block + 8), high = factor(fold_block);
    const __m512i factors = _mm512_set_epi64(high, low, high, low, high, low, high, low);
    const __m512i a = _mm512_clmulepi64_epi128(from, factors, 0x00), b = _mm512_clmulepi64_epi128(from, factors, 0x11);
    return _mm512_ternarylogic_epi64(a, b, next, 0x96);
}

__attribute__((target("avx512f,vpclmulqdq,sse4.2"))) uint32_t crc32c_folded(uint32_t start, const void *data, size_t size) {
    if (size < fold_least) return crc32c_sse42(start, data, size);
    const uint8_t *p = static_cast<const uint8_t *>(data);
    const __m512i before = _mm512_inserti32x4(_mm512_setzero_si512(), _mm_cvtsi32_si128(int(~start)), 0);
    __m512i a = _mm512_xor_si512(_mm512_loadu_si512(p), before);
    __m512i b = _mm512_loadu_si512(p + 64), c = _mm512_loadu_si512(p + 128), d = _mm512_loadu_si512(p + 192);
    for (p += fold_block, size -= fold_block; size >= fold_block; p += fold_block, size -= fold_block) {
        a = fold(a, _mm512_loadu_si512(p));
        b = fold(b, _mm512_loadu_si512(p + 64));
        c = fold(c, _mm512_loadu_si512(p + 128));
        d = fold(d, _mm512_loadu_si512(p + 192));
    }
    alignas(64) uint8_t left[fold_block];
    _mm512_store_si512(left, a);
    _mm512_store_si512(left + 64, b);
    _mm512_store_si512(left + 128, c);
    _mm512_store_si512(left + 192, d);
    return crc32c_sse42(crc32c_sse42(~0u, left, fold_block), p, size);
}

#elif defined(__aarch64__)

#if defined(__clang__)
#define EDGESHARD_TARGET_CRC __attribute__((target("crc")))
#else
#define EDGESHARD_TARGET_CRC __attribute__((target("+crc")))
#endif

EDGESHARD_TARGET_CRC uint32_t crc32c_arm(uint32_t start, const void *data, size_t size) {
    const uint8_t *p = static_cast<const uint8_t *>(data);
    uint32_t crc = ~start;
    for (; size >= 8; p += 8, size -= 8) crc = __crc32cd(crc, load<uint64_t>(p));
    for (; size; ++p, --size) crc = __crc32cb(crc, *p);
    return ~crc;
}

bool has_arm_crc() {
#if defined(__linux__)
    constexpr unsigned long hwcap_crc32 = 1ul << 7;
    return getauxval(AT_HWCAP) & hwcap_crc32;
#else
    return true;  // every 64-bit Apple CPU has it
#endif
}

#endif

using Function = uint32_t (*)(uint32_t, const void *, size_t);

Function choose() {
#if defined(__x86_64__)
    if (best_isa() == Isa::avx512 && __builtin_cpu_supports("vpclmulqdq")) return crc32c_folded;
    if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42;
#elif defined(__aarch64__)
    if (has_arm_crc()) return crc32c_arm;
#endif
    return crc32c_portable;
}

}  // namespace

uint32_t crc32c_portable(uint32_t start, const void *data, size_t size) {
    const uint8_t *p = static_cast<const uint8_t *>(data);
    uint32_t crc = ~start;
    for (; size >= 8; p += 8, size -= 8) {
        const uint64_t word = load<uint64_t>(p) ^ crc;
        crc = 0;
        for (size_t k = 0; k < 8; ++k) crc ^= tables[7 - k][word >> 8 * k & 0xFF];
    }
    for (; size; ++p, --size) crc = tables[0][(crc ^ *p) & 0xFF] ^ crc >> 8;
    return ~crc;
}

uint32_t crc32c_zeroes(uint32_t crc, uint64_t count) { return ~multiply(power_of_bytes(count), ~crc); }

uint32_t crc32c(uint32_t crc, const void *data, size_t size) {
    static const Function function = choose();
    return function(crc, data, size);
}

}  // namespace edgeshard
