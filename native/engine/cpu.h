// What the machine offers: the CPU level, how many cores we may use, how much memory is left.
// Compiled for baseline x86-64, because it decides whether anything above it may run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bge {

/// Names of the SIMD features found, e.g. {"avx2", "fma", "avx512f", "avx512vnni"}.
const std::vector<std::string>& cpu_features();

/// Throws UnsupportedCpu when the processor is below the floor (x86-64-v3: AVX2, FMA, F16C, BMI2).
void require_supported_cpu();

struct KernelsInUse {
    const char *isa, *quantization; ///< "ggml" both when ours are not used
};
/// What models compute with. Installs the kernels, so the answer holds before the first model too:
/// the first call in the process decides, and those of the ISA that `wish` names if it can.
KernelsInUse kernels_in_use(const std::string& wish = {});

/// Real cores this process may use: physical cores, cut by affinity and by the cgroup's CPU quota.
/// At least 1. More threads than that make ggml's barriers wait for each other.
int default_threads();

/// Bytes that may still be allocated: the least of free RAM, the cgroup's room and RLIMIT_AS's
/// room; UINT64_MAX where the platform tells nothing.
uint64_t available_memory();

/// Resident bytes of this process; 0 where the platform tells nothing.
uint64_t resident_memory();

} // namespace bge
