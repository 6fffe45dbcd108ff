// A float matrix product on the kernels, for the scores (lib/scoring/simd.ts).
#pragma once

#include <cstddef>

namespace bge {

/// out[i * n + j] = sum over t of a[i * k + t] * b[j * k + t]: row-major a (m x k) times the
/// transpose of row-major b (n x k). float32 sums with t ascending, so an entry depends on its two
/// rows alone, not on where they stand. `out` overlaps neither input.
void matmul_transposed(const float* a, const float* b, float* out, size_t m, size_t n, size_t k);

} // namespace bge
