// Loops over register arrays must disappear, or the arrays go to memory; so the number of rows is a
// constant of the code that holds them.
#pragma once

#include <type_traits>

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

namespace bge::kernels {
namespace {

/// Calls fn with `rows`, 1 to Most, as a constant.
template <int Most, class Fn> inline void with_rows(int rows, Fn fn) {
    if constexpr (Most > 1)
        if (rows < Most)
            return with_rows<Most - 1>(rows, fn);
    fn(std::integral_constant<int, Most>{});
}

} // namespace
} // namespace bge::kernels
