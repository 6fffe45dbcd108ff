// Loops over register arrays must disappear, or the arrays go to memory.
#pragma once

#if defined(__clang__)
#define BGE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define BGE_UNROLL _Pragma("GCC unroll 16")
#endif

/// A loop nest of its own registers.
#if defined(_MSC_VER)
#define BGE_NOINLINE __declspec(noinline)
#else
#define BGE_NOINLINE __attribute__((noinline))
#endif
