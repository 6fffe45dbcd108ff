// GELU as the checkpoint means it: x * Phi(x) with the exact erf, not the tanh form ggml computes.
//
// Phi(x) - 1/2 = x * P(x^2) for |x| <= 5.2, P of degree 12 in u = 2 x^2 / 5.2^2 - 1 (minimax fit of
// x * Phi(x)); beyond, Phi is 0 or 1. Largest absolute error of x * Phi(x): 1.2e-6 (test_kernels
// measures it against double precision over the whole range).
#pragma once

#include "unroll-inl.h"

namespace bge::kernels {
namespace {

/// N vectors at a time: the chains of one are too long to keep the units busy.
template <int N> inline void gelu_vectors(F (&x)[N]) {
    constexpr float kEdge = 5.2f, kScale = 0.07396449893712997f; // 2 / 5.2^2
    constexpr float kP[13] = {0x1.166cecp-3f, -0x1.157a1cp-4f, 0x1.99d8dep-5f, -0x1.4732fap-5f,
                              0x1.056260p-5f, -0x1.92f046p-6f, 0x1.2d4164p-6f, -0x1.ad5e88p-7f,
                              0x1.ef4eeep-8f, -0x1.cb8198p-9f, 0x1.76085ep-9f, -0x1.482a40p-9f,
                              0x1.c23bd0p-11f};
    F c[N], u[N], p[N];
    BGE_UNROLL
    for (int n = 0; n < N; ++n) {
        c[n] = max(min(x[n], set1(kEdge)), set1(-kEdge));
        u[n] = fma(mul(c[n], c[n]), set1(kScale), set1(-1.0f));
        p[n] = fma(set1(kP[12]), u[n], set1(kP[11]));
    }
    BGE_UNROLL
    for (int i = 10; i >= 0; --i) {
        BGE_UNROLL
        for (int n = 0; n < N; ++n)
            p[n] = fma(p[n], u[n], set1(kP[i]));
    }
    BGE_UNROLL
    for (int n = 0; n < N; ++n) {
        const F half = max(min(mul(c[n], p[n]), set1(0.5f)), set1(-0.5f));
        x[n] = fma(x[n], half, mul(x[n], set1(0.5f)));
    }
}
inline F gelu_vector(F x) {
    F v[1] = {x};
    gelu_vectors(v);
    return v[0];
}

void gelu(const float* x, float* y, int n) {
    for (int i = 0; i < n; i += 16)
        store(y + i, gelu_vector(load(x + i)));
}

} // namespace
} // namespace bge::kernels
