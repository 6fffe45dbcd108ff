// Compiler vectors and per-ISA clones, so that the reference is quick without any intrinsics.
#pragma once

#include <cstddef>

namespace bge::reference {

constexpr size_t kLanes = 8;
typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double))));

// The loader picks the best version of such a function. Sanitized builds and systems without ifunc
// take the baseline.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BGE_REFERENCE_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BGE_REFERENCE_SANITIZED 1
#endif
#if defined(__GLIBC__) && defined(__x86_64__) && !defined(BGE_REFERENCE_SANITIZED)
#define BGE_REFERENCE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define BGE_REFERENCE_CLONES
#endif

} // namespace bge::reference
