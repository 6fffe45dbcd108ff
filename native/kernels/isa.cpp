#include "isa.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__aarch64__) && defined(_WIN32)
#include <windows.h>
#endif

namespace bge::kernels {
namespace {

#if defined(__x86_64__) || defined(_M_X64)

struct Features {
    bool avx2 = false, avx_vnni = false, avx512_vnni = false, amx = false;
};

uint64_t xcr0() {
    uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<uint64_t>(high) << 32) | low;
}

constexpr bool bit(unsigned value, int index) {
    return (value >> index) & 1u;
}

Features read_features() {
    Features f;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return f;
    const bool osxsave = bit(c, 27), avx = bit(c, 28), fma = bit(c, 12), f16c = bit(c, 29);
    if (!osxsave || !avx || !fma || !f16c)
        return f;
    const uint64_t state = xcr0();
    if ((state & 0x6) != 0x6) // the system saves xmm and ymm
        return f;
    unsigned b7 = 0, c7 = 0, d7 = 0;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7))
        return f;
    f.avx2 = bit(b7, 5) && bit(b7, 8); // AVX2, BMI2
    unsigned a71 = 0;
    if (a >= 1)
        __get_cpuid_count(7, 1, &a71, &b, &c, &d);
    f.avx_vnni = f.avx2 && bit(a71, 4);
    const bool zmm_saved = (state & 0xe6) == 0xe6;
    const bool avx512 = bit(b7, 16) && bit(b7, 17) && bit(b7, 30) && bit(b7, 31); // F DQ BW VL
    f.avx512_vnni = f.avx2 && zmm_saved && avx512 && bit(c7, 11);
    const bool tiles_saved = (state & 0x60000) == 0x60000;
    f.amx = f.avx512_vnni && tiles_saved && bit(d7, 24) && bit(d7, 25); // AMX-TILE, AMX-INT8
    return f;
}

#ifndef BGE_AMX_EMULATED
/// Linux gives tiles to processes that ask (Documentation/arch/x86/xstate.rst, since 5.16).
bool may_use_tiles() {
#if defined(__linux__)
    constexpr long kRequest = 0x1023, kTileData = 18; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    static const bool given = syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
    return given;
#else
    return false;
#endif
}
#endif

bool has(Isa isa) {
    static const Features f = read_features();
    switch (isa) {
    case Isa::Avx2:
        return f.avx2;
    case Isa::AvxVnni:
#ifdef BGE_AVXVNNI_AS_EVEX // the test build of that file uses AVX-512VL's encoding
        return f.avx512_vnni;
#else
        return f.avx_vnni;
#endif
    case Isa::Avx512Vnni:
        return f.avx512_vnni;
    case Isa::Amx:
#ifdef BGE_AMX_EMULATED
        return f.avx512_vnni;
#else
        return f.amx && may_use_tiles();
#endif
    default:
        return false;
    }
}

#elif defined(__aarch64__)

struct Features {
    bool dotprod = false, i8mm = false;
};

Features read_features() {
#if defined(__linux__)
    return {((getauxval(AT_HWCAP) >> 20) & 1ul) != 0,   // HWCAP_ASIMDDP
            ((getauxval(AT_HWCAP2) >> 13) & 1ul) != 0}; // HWCAP2_I8MM
#elif defined(__APPLE__)
    int i8mm = 0; // stays 0 on M1, which does not know the name
    size_t size = sizeof i8mm;
    sysctlbyname("hw.optional.arm.FEAT_I8MM", &i8mm, &size, nullptr, 0);
    return {true, i8mm != 0}; // every Apple processor with this architecture has dotprod
#elif defined(_WIN32)
    return {IsProcessorFeaturePresent(43) != 0,  // PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE
            IsProcessorFeaturePresent(66) != 0}; // PF_ARM_V82_I8MM_INSTRUCTIONS_AVAILABLE
#else
    return {};
#endif
}

bool has(Isa isa) {
    static const Features f = read_features();
    return (isa == Isa::Neon && f.dotprod) || (isa == Isa::NeonI8mm && f.dotprod && f.i8mm);
}

#else

bool has(Isa) {
    return false;
}

#endif

/// What BGE_M3_ISA may name.
constexpr Isa kBestFirst[] = {Isa::Amx,      Isa::Avx512Vnni, Isa::AvxVnni, Isa::Avx2,
                              Isa::NeonI8mm, Isa::Neon,       Isa::Generic};

} // namespace

bool supports(Isa isa) {
    return isa == Isa::Generic || has(isa);
}

Isa detect() {
    for (Isa isa : kBestFirst)
        if (isa != Isa::Amx && supports(isa)) // not to be asked about in passing: isa.h
            return isa;
    return Isa::None;
}

Isa chosen_isa(bool* ignored) {
    if (ignored)
        *ignored = false;
    const char* name = std::getenv("BGE_M3_ISA");
    if (!name || !*name)
        return detect();
    for (Isa isa : kBestFirst)
        if (std::strcmp(name, isa_name(isa)) == 0 && supports(isa))
            return isa;
    if (ignored)
        *ignored = true;
    return detect();
}

const char* isa_name(Isa isa) {
    switch (isa) {
    case Isa::Generic:
        return "generic";
    case Isa::Avx2:
        return "avx2";
    case Isa::AvxVnni:
        return "avxvnni";
    case Isa::Avx512Vnni:
        return "avx512vnni";
    case Isa::Amx:
        return "amx";
    case Isa::Neon:
        return "neon";
    case Isa::NeonI8mm:
        return "neon-i8mm";
    case Isa::None:
        break;
    }
    return "none";
}

} // namespace bge::kernels
