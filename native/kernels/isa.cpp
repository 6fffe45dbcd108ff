#include "isa.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>

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

/// What CPUID says (Intel SDM 2A), and which registers the operating system saves (XCR0). Not
/// __builtin_cpu_supports, whose run-time half some compilers' libraries lack.
struct Cpuid {
    unsigned a1 = 0, b1 = 0, c1 = 0, d1 = 0;     // leaf 1
    unsigned a7 = 0, b7 = 0, c7 = 0, d7 = 0;     // leaf 7, subleaf 0
    unsigned a71 = 0, b71 = 0, c71 = 0, d71 = 0; // leaf 7, subleaf 1
    bool xmm = true, ymm = false, zmm = false, tiles = false;

    Cpuid() {
        __get_cpuid(1, &a1, &b1, &c1, &d1);
        if (__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7) && a7 >= 1)
            __get_cpuid_count(7, 1, &a71, &b71, &c71, &d71);
        if (c1 >> 27 & 1U) { // OSXSAVE
            unsigned low = 0, high = 0;
            __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
            ymm = (low & 0x6) == 0x6;
            zmm = (low & 0xe6) == 0xe6;
            tiles = (low & 0x60000) == 0x60000;
        }
    }
};

struct Feature {
    const char* name;
    unsigned Cpuid::*word;
    int bit;
    bool Cpuid::*saved;
};
constexpr Feature kFeatures[] = {
    {"sse4.2", &Cpuid::c1, 20, &Cpuid::xmm},     {"avx", &Cpuid::c1, 28, &Cpuid::ymm},
    {"avx2", &Cpuid::b7, 5, &Cpuid::ymm},        {"fma", &Cpuid::c1, 12, &Cpuid::ymm},
    {"f16c", &Cpuid::c1, 29, &Cpuid::ymm},       {"bmi2", &Cpuid::b7, 8, &Cpuid::xmm},
    {"avxvnni", &Cpuid::a71, 4, &Cpuid::ymm},    {"avx512f", &Cpuid::b7, 16, &Cpuid::zmm},
    {"avx512dq", &Cpuid::b7, 17, &Cpuid::zmm},   {"avx512bw", &Cpuid::b7, 30, &Cpuid::zmm},
    {"avx512vl", &Cpuid::b7, 31, &Cpuid::zmm},   {"avx512vnni", &Cpuid::c7, 11, &Cpuid::zmm},
    {"avx512bf16", &Cpuid::a71, 5, &Cpuid::zmm}, {"amx-tile", &Cpuid::d7, 24, &Cpuid::tiles},
    {"amx-int8", &Cpuid::d7, 25, &Cpuid::tiles},
};

std::vector<std::string> read_features() {
    const Cpuid id;
    std::vector<std::string> found;
    for (const Feature& feature : kFeatures)
        if (id.*feature.saved && (id.*feature.word >> feature.bit & 1U))
            found.emplace_back(feature.name);
    return found;
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
    const auto all = [](std::initializer_list<const char*> names) {
        const std::vector<std::string>& found = cpu_features();
        return std::all_of(names.begin(), names.end(), [&found](const char* name) {
            return std::find(found.begin(), found.end(), name) != found.end();
        });
    };
    const auto avx512vnni = [&all] {
        return all({"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512vnni"});
    };
    if (!all({"avx2", "fma", "f16c", "bmi2"}))
        return false;
    switch (isa) {
    case Isa::Avx2:
        return true;
    case Isa::AvxVnni:
#ifdef BGE_AVXVNNI_AS_EVEX // the test build of that file uses AVX-512VL's encoding
        return avx512vnni();
#else
        return all({"avxvnni"});
#endif
    case Isa::Avx512Vnni:
        return avx512vnni();
    case Isa::Amx:
#ifdef BGE_AMX_EMULATED
        return avx512vnni();
#else
        return avx512vnni() && all({"amx-tile", "amx-int8"}) && may_use_tiles();
#endif
    default:
        return false;
    }
}

#elif defined(__aarch64__)

struct Arm {
    bool dotprod = false, i8mm = false;
};

Arm read_arm() {
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
    static const Arm f = read_arm();
    return (isa == Isa::Neon && f.dotprod) || (isa == Isa::NeonI8mm && f.dotprod && f.i8mm);
}

std::vector<std::string> read_features() {
    return {"neon"};
}

#else

bool has(Isa) {
    return false;
}
std::vector<std::string> read_features() {
    return {};
}

#endif

/// What may be named.
constexpr Isa kBestFirst[] = {Isa::Amx,      Isa::Avx512Vnni, Isa::AvxVnni, Isa::Avx2,
                              Isa::NeonI8mm, Isa::Neon,       Isa::Generic};

} // namespace

const std::vector<std::string>& cpu_features() {
    static const std::vector<std::string> features = read_features();
    return features;
}

bool supports(Isa isa) {
    return isa == Isa::Generic || has(isa);
}

Isa detect() {
    for (Isa isa : kBestFirst)
        if (isa != Isa::Amx && supports(isa)) // not to be asked about in passing: isa.h
            return isa;
    return Isa::None;
}

Isa supported_isa(const char* name) {
    for (Isa isa : kBestFirst)
        if (name && std::strcmp(name, isa_name(isa)) == 0 && supports(isa))
            return isa;
    return Isa::None;
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
