// Which instruction sets this machine has. Compiled for the baseline: it decides what may run.
#pragma once

namespace bge::kernels {

enum class Isa { None, Generic, Avx2, AvxVnni, Avx512Vnni, Amx, Neon, NeonI8mm };

/// The best ISA that the processor and the operating system offer, AMX aside (table() tries that).
Isa detect();
/// Whether the machine can run this ISA's kernels. To ask about AMX is to ask the system for leave
/// to use it, which it gives to the process for good.
bool supports(Isa isa);
/// detect(), or what the environment's BGE_M3_ISA names (amx, avx512vnni, avxvnni, avx2,
/// neon-i8mm, neon, generic) if the machine supports that. `ignored`, if not null, tells whether a
/// name was given that is unknown or not supported.
Isa chosen_isa(bool* ignored = nullptr);
const char* isa_name(Isa isa);

} // namespace bge::kernels
