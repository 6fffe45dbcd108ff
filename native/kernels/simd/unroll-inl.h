// Loops over register arrays must disappear, or the arrays go to memory.
#pragma once

#if defined(__clang__)
#define BGE_UNROLL_ALWAYS _Pragma("clang loop unroll(full)")
#define BGE_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define BGE_UNROLL_ALWAYS _Pragma("GCC unroll 16")
#define BGE_ROLLED _Pragma("GCC unroll 1")
#endif
#if defined(BGE_LANES_ARE_LOOPS) // vec_scalar-inl.h
#define BGE_UNROLL
#else
#define BGE_UNROLL BGE_UNROLL_ALWAYS
#endif

/// A loop nest of its own registers.
#if defined(_MSC_VER)
#define BGE_NOINLINE __declspec(noinline)
#else
#define BGE_NOINLINE __attribute__((noinline))
#endif
