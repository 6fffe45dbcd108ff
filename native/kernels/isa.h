// Which instruction sets this machine has. Compiled for the baseline: it decides what may run.
#pragma once

#include <string>
#include <vector>

namespace bge::kernels {

/// Names of the SIMD features that the processor has and the system saves the registers of, e.g.
/// {"avx2", "fma", "avx512f", "avx512vnni"}.
const std::vector<std::string>& cpu_features();

enum class Isa { None, Generic, Avx2, AvxVnni, Avx512Vnni, Amx, Neon, NeonI8mm };

/// The best ISA that the processor and the operating system offer, AMX aside (table() tries that).
Isa detect();
/// Whether the machine can run this ISA's kernels. To ask about AMX is to ask the system for leave
/// to use it, which it gives to the process for good.
bool supports(Isa isa);
/// The ISA of this name (amx, avx512vnni, avxvnni, avx2, neon-i8mm, neon, generic); None for null,
/// an unknown name and one that the machine does not support.
Isa supported_isa(const char* name);
const char* isa_name(Isa isa);

} // namespace bge::kernels
