#include "support/cpu.hpp"

#include <cstdlib>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace edgeshard {
namespace {

#if defined(__aarch64__)
bool has_dotprod() {
#if defined(__linux__)
    constexpr unsigned long hwcap_asimddp = 1ul << 20;
    return getauxval(AT_HWCAP) & hwcap_asimddp;
#elif defined(__APPLE__)
    int there = 0;
    size_t size = sizeof there;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &there, &size, nullptr, 0) == 0 && there;
#else
    return false;
#endif
}
#endif

}  // namespace

bool isa_available(Isa isa) {
    switch (isa) {
        case Isa::scalar:
            return true;
#if defined(__aarch64__)
        case Isa::neon:
            return true;
        case Isa::dotprod:
            return has_dotprod();
#elif defined(__x86_64__)
        case Isa::avx2:
            // F16C is not asked for: no processor with AVX2 and FMA lacks it, and older compilers do not know its name.
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                   __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
        case Isa::avx512:
            return isa_available(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#endif
        default:
            return false;
    }
}

std::string_view isa_name(Isa isa) {
    switch (isa) {
        case Isa::neon: return "neon";
        case Isa::dotprod: return "dotprod";
        case Isa::avx2: return "avx2";
        case Isa::avx512: return "avx512";
        default: return "scalar";
    }
}

std::optional<Isa> isa_from_name(std::string_view name) {
    for (Isa isa : {Isa::scalar, Isa::neon, Isa::dotprod, Isa::avx2, Isa::avx512})
        if (isa_name(isa) == name) return isa;
    return std::nullopt;
}

static Isa choose_isa() {
    Isa cap = Isa::avx512;
    if (const char* wish = std::getenv("EDGESHARD_CPU")) cap = isa_from_name(wish).value_or(cap);
    for (Isa isa : {Isa::avx512, Isa::avx2, Isa::dotprod, Isa::neon})
        if (isa <= cap && isa_available(isa)) return isa;
    return Isa::scalar;
}

Isa best_isa() {
    static const Isa chosen = choose_isa();
    return chosen;
}

}  // namespace edgeshard
