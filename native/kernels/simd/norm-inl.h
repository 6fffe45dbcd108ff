// Layer normalization, and the other row reductions: fixed order over 16 lanes, then one tree.
#pragma once

#include <cmath>

#include "../kernels.h"
#include "quantize-inl.h"

namespace bge::kernels {
namespace {

/// Rows are handled in pieces of at most this many floats when x and residual must be added first.
constexpr int kMaxNorm = 4096;

void norm_row(const NormRows& g, int r, float* sum) {
    const float* x = g.x + static_cast<size_t>(r) * g.ldx;
    const float* residual =
        g.residual ? g.residual + static_cast<size_t>(r) * g.ld_residual : nullptr;
    F total = set1(0.0f);
    for (int i = 0; i < g.n; i += 16) {
        F v = load(x + i);
        if (residual)
            v = add(v, load(residual + i));
        store(sum + i, v);
        total = add(total, v);
    }
    const auto n = static_cast<float>(g.n);
    const F mean = set1(reduce_add(total) / n);
    F squares = set1(0.0f);
    for (int i = 0; i < g.n; i += 16) {
        const F d = sub(load(sum + i), mean);
        squares = fma(d, d, squares);
    }
    const F factor = set1(1.0f / std::sqrt(reduce_add(squares) / n + g.eps));
    float* y = g.y ? g.y + static_cast<size_t>(r) * g.ldy : nullptr;
    for (int i = 0; i < g.n; i += 16) {
        const F v =
            fma(mul(sub(load(sum + i), mean), factor), load(g.weight + i), load(g.bias + i));
        store(sum + i, v);
        if (y)
            store(y + i, v);
    }
    if (g.q8.data)
        quantize_row(sum, g.q8, r);
}

void norm_rows(const NormRows& g, int r0, int r1) {
    alignas(64) float sum[kMaxNorm];
    for (int r = r0; r < r1; ++r)
        norm_row(g, r, sum);
}

void dot_rows(const float* x, size_t ldx, int rows, int n, const float* w, float* out) {
    for (int r = 0; r < rows; ++r) {
        const float* p = x + static_cast<size_t>(r) * ldx;
        F sum = set1(0.0f);
        for (int i = 0; i < n; i += 16)
            sum = fma(load(p + i), load(w + i), sum);
        out[r] = reduce_add(sum);
    }
}

void normalize_rows(float* x, size_t ldx, int rows, int n) {
    for (int r = 0; r < rows; ++r) {
        float* p = x + static_cast<size_t>(r) * ldx;
        F squares = set1(0.0f);
        for (int i = 0; i < n; i += 16)
            squares = fma(load(p + i), load(p + i), squares);
        const float length = std::sqrt(reduce_add(squares));
        const F factor = set1(length > 0.0f ? 1.0f / length : 0.0f);
        for (int i = 0; i < n; i += 16)
            store(p + i, mul(load(p + i), factor));
    }
}

} // namespace
} // namespace bge::kernels
