// GELU as the checkpoint means it: x * Phi(x) with the exact erf, not the tanh form ggml computes.
//
// Phi(x) - 1/2 = x * P(x^2) for |x| <= 5.2, P of degree 12 in u = 2 x^2 / 5.2^2 - 1 (minimax fit of
// x * Phi(x)); beyond, Phi is 0 or 1. Largest absolute error of x * Phi(x): 1.2e-6 (test_kernels
// measures it against double precision over the whole range).
#pragma once

namespace bge::kernels {
namespace {

inline F gelu_vector(F x) {
    constexpr float kEdge = 5.2f, kScale = 0.07396449893712997f; // 2 / 5.2^2
    constexpr float kP[13] = {0x1.166cecp-3f, -0x1.157a1cp-4f, 0x1.99d8dep-5f, -0x1.4732fap-5f,
                              0x1.056260p-5f, -0x1.92f046p-6f, 0x1.2d4164p-6f, -0x1.ad5e88p-7f,
                              0x1.ef4eeep-8f, -0x1.cb8198p-9f, 0x1.76085ep-9f, -0x1.482a40p-9f,
                              0x1.c23bd0p-11f};
    const F c = max(min(x, set1(kEdge)), set1(-kEdge));
    const F u = fma(mul(c, c), set1(kScale), set1(-1.0f));
    F p = set1(kP[12]);
    for (int i = 11; i >= 0; --i)
        p = fma(p, u, set1(kP[i]));
    const F half = max(min(mul(c, p), set1(0.5f)), set1(-0.5f));
    return fma(x, half, mul(x, set1(0.5f)));
}

void gelu(const float* x, float* y, int n) {
    for (int i = 0; i < n; i += 16)
        store(y + i, gelu_vector(load(x + i)));
}

} // namespace
} // namespace bge::kernels
