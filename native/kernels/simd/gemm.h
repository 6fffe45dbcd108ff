// Matrix multiply: tiles of up to kGemmRows rows x 16 * kGemmVectors channels, a panel of 32
// channels at a time. Per element: blocks (or k) in ascending order, one fma each, so the tile's
// shape never shows in the result.
#pragma once

#include "../kernels.h"
#include "../pack.h"
#include "gelu.h"
#include "quantize.h"
#include "unroll.h"

namespace bge::kernels {
namespace {

/// What a tile leaves: rows x one panel.
struct alignas(64) TileSums {
    float v[8][kPanel];
};

/// MR rows x 16 * NV channels starting at channel 16 * v0 of the panel.
template <int MR, int NV, bool Split>
inline void q8_tile(const GemmQ8& g, int m, const uint8_t* panel, const uint8_t* next, int v0,
                    TileSums& sums) {
    const int blocks = g.rows.k / kBlock;
    const int8_t* q[MR];
    const float* scale[MR];
    const int32_t* correction[MR];
    const int32_t* terms[MR];
    F total[MR][NV];
    BGE_UNROLL
    for (int i = 0; i < MR; ++i) {
        const Q8Row row = q8_row(g.rows, m + i);
        q[i] = row.q;
        scale[i] = row.scale;
        correction[i] = row.correction;
        terms[i] = row.terms[0];
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            total[i][v] = set1(0.0f);
    }
    const uint8_t* w = panel + v0 * 64;
    for (int b = 0; b < blocks; ++b) {
        I acc[MR][NV];
        BGE_UNROLL
        for (int i = 0; i < MR; ++i) {
            const I start = iset1(kUnsignedWeights ? correction[i][b] : 0);
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                acc[i][v] = start;
        }
        BGE_UNROLL
        for (int s = 0; s < kBlock / 4; ++s) {
            Weights wv[NV];
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                wv[v] = load_weights(w + s * kPanel * 4 + v * 64);
            BGE_UNROLL
            for (int i = 0; i < MR; ++i) {
                const Act a = broadcast4(q[i] + b * kBlock + s * 4);
                BGE_UNROLL
                for (int v = 0; v < NV; ++v)
                    acc[i][v] = dot4(acc[i][v], wv[v], a);
            }
        }
        const auto* ws = reinterpret_cast<const uint16_t*>(w + kPanel * kBlock - v0 * 64) + v0 * 16;
        F weight_scale[NV];
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            weight_scale[v] = load_f16(ws + v * 16);
        BGE_UNROLL
        for (int i = 0; i < MR; ++i) {
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                total[i][v] = fma(to_float(acc[i][v]),
                                  Split ? split_product(weight_scale[v], terms[i] + b, blocks)
                                        : mul(weight_scale[v], set1(scale[i][b])),
                                  total[i][v]);
        }
        w += kQ8PanelBlockBytes;
        if (next) {
            __builtin_prefetch(next, 0, 2);
            next += 64;
        }
    }
    BGE_UNROLL
    for (int i = 0; i < MR; ++i) {
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            store(sums.v[i] + (v0 + v) * 16, total[i][v]);
    }
}

template <FloatType T> inline F load_float(const uint8_t* p) {
    if constexpr (T == FloatType::F16)
        return load_f16(reinterpret_cast<const uint16_t*>(p));
    else if constexpr (T == FloatType::BF16)
        return load_bf16(reinterpret_cast<const uint16_t*>(p));
    else
        return load(reinterpret_cast<const float*>(p));
}

template <int MR, int NV, FloatType T>
inline void float_tile(const GemmFloat& g, int m, const uint8_t* panel, int v0, TileSums& sums) {
    constexpr int kSize = T == FloatType::F32 ? 4 : 2;
    const float* x[MR];
    F total[MR][NV];
    BGE_UNROLL
    for (int i = 0; i < MR; ++i) {
        x[i] = g.rows + static_cast<size_t>(m + i) * g.ld;
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            total[i][v] = set1(0.0f);
    }
    const uint8_t* w = panel + v0 * 16 * kSize;
    for (int k = 0; k < g.k; ++k, w += kPanel * kSize) {
        F wv[NV];
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            wv[v] = load_float<T>(w + v * 16 * kSize);
        BGE_UNROLL
        for (int i = 0; i < MR; ++i) {
            const F a = set1(x[i][k]);
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                total[i][v] = fma(a, wv[v], total[i][v]);
        }
    }
    BGE_UNROLL
    for (int i = 0; i < MR; ++i) {
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            store(sums.v[i] + (v0 + v) * 16, total[i][v]);
    }
}

/// Bias, then what the epilogue asks for, for `rows` rows of one panel.
void finish_tile(const Epilogue& e, int m, int rows, int panel, TileSums& sums) {
    const int n = panel * kPanel;
    const F b0 = e.bias ? load(e.bias + n) : set1(0.0f);
    const F b1 = e.bias ? load(e.bias + n + 16) : set1(0.0f);
    if (e.kind == Out::GeluQ8 || e.kind == Out::GeluF32) {
        for (int i = 0; i < rows; i += 2) { // an odd row's neighbour is computed and not used
            F x[4] = {add(load(sums.v[i]), b0), add(load(sums.v[i] + 16), b1),
                      add(load(sums.v[i + 1]), b0), add(load(sums.v[i + 1] + 16), b1)};
            gelu_vectors(x);
            for (int j = 0; j < 4; ++j)
                store(sums.v[i + j / 2] + j % 2 * 16, x[j]);
        }
    }
    for (int i = 0; i < rows; ++i) {
        const F x = load(sums.v[i]), y = load(sums.v[i] + 16);
        const size_t at = static_cast<size_t>(m + i) * e.ld + static_cast<size_t>(n);
        switch (e.kind) {
        case Out::GeluF32:
            store(e.f32 + at, x);
            store(e.f32 + at + 16, y);
            break;
        case Out::F32:
            store(e.f32 + at, add(x, b0));
            store(e.f32 + at + 16, add(y, b1));
            break;
        case Out::GeluQ8:
            quantize_block(x, y, q8_row(e.q8, m + i), panel, e.quant);
            break;
        case Out::Bf16:
            store_bf16(e.bf16 + at, mul(add(x, b0), set1(e.scale)));
            store_bf16(e.bf16 + at + 16, mul(add(y, b1), set1(e.scale)));
            break;
        }
    }
}

/// Runs tile(constant rows, m) over [m0, m1) in even pieces of at most kGemmRows rows.
template <class Fn> inline void for_row_tiles(int m0, int m1, Fn tile) {
    const int tiles = (m1 - m0 + kGemmRows - 1) / kGemmRows;
    for (int t = 0, m = m0; t < tiles; ++t) {
        const int left = tiles - t, rows = (m1 - m + left - 1) / left;
        tile(rows, m, t, tiles);
        m += rows;
    }
}

template <bool Split> void gemm_q8_as(const GemmQ8& g, int m0, int m1, int p0, int p1) {
    static_assert(kGemmRows <= 6, "the switch below");
    const size_t panel_bytes = q8_panel_bytes(g.rows.k);
    TileSums sums = {}; // an odd row's neighbour is read, never used
    for (int p = p0; p < p1; ++p) {
        const uint8_t* panel = g.weights + static_cast<size_t>(p) * panel_bytes;
        for_row_tiles(m0, m1, [&](int rows, int m, int t, int tiles) {
            // Each tile fetches its share of the next panel into the second-level cache.
            const size_t share = panel_bytes / static_cast<size_t>(tiles) & ~size_t{63};
            const uint8_t* next =
                p + 1 < p1 ? panel + panel_bytes + static_cast<size_t>(t) * share : nullptr;
            for (int v = 0; v < kPanel / 16; v += kGemmVectors) {
                switch (rows) {
                case 1:
                    q8_tile<1, kGemmVectors, Split>(g, m, panel, next, v, sums);
                    break;
                case 2:
                    q8_tile<2, kGemmVectors, Split>(g, m, panel, next, v, sums);
                    break;
                case 3:
                    q8_tile<3, kGemmVectors, Split>(g, m, panel, next, v, sums);
                    break;
                case 4:
                    q8_tile<4, kGemmVectors, Split>(g, m, panel, next, v, sums);
                    break;
                case 5:
                    q8_tile < kGemmRows<5 ? 1 : 5, kGemmVectors, Split>(g, m, panel, next, v, sums);
                    break;
                default:
                    q8_tile < kGemmRows<6 ? 1 : 6, kGemmVectors, Split>(g, m, panel, next, v, sums);
                    break;
                }
            }
            finish_tile(g.out, m, rows, p, sums);
        });
    }
}

void gemm_q8(const GemmQ8& g, int m0, int m1, int p0, int p1) {
    if (g.quant == Quant::Short && kCanSplit && split_scales())
        gemm_q8_as<kCanSplit>(g, m0, m1, p0, p1);
    else
        gemm_q8_as<false>(g, m0, m1, p0, p1);
}

template <FloatType T> void gemm_float_as(const GemmFloat& g, int m0, int m1, int p0, int p1) {
    const size_t panel_bytes = float_panel_bytes(g.k, T);
    TileSums sums = {}; // an odd row's neighbour is read, never used
    for (int p = p0; p < p1; ++p) {
        const uint8_t* panel = g.weights + static_cast<size_t>(p) * panel_bytes;
        for_row_tiles(m0, m1, [&](int rows, int m, int, int) {
            for (int v = 0; v < kPanel / 16; v += kGemmVectors) {
                switch (rows) {
                case 1:
                    float_tile<1, kGemmVectors, T>(g, m, panel, v, sums);
                    break;
                case 2:
                    float_tile<2, kGemmVectors, T>(g, m, panel, v, sums);
                    break;
                case 3:
                    float_tile<3, kGemmVectors, T>(g, m, panel, v, sums);
                    break;
                case 4:
                    float_tile<4, kGemmVectors, T>(g, m, panel, v, sums);
                    break;
                case 5:
                    float_tile < kGemmRows<5 ? 1 : 5, kGemmVectors, T>(g, m, panel, v, sums);
                    break;
                default:
                    float_tile < kGemmRows<6 ? 1 : 6, kGemmVectors, T>(g, m, panel, v, sums);
                    break;
                }
            }
            finish_tile(g.out, m, rows, p, sums);
        });
    }
}

void gemm_float(const GemmFloat& g, int m0, int m1, int p0, int p1) {
    switch (g.type) {
    case FloatType::F16:
        return gemm_float_as<FloatType::F16>(g, m0, m1, p0, p1);
    case FloatType::BF16:
        return gemm_float_as<FloatType::BF16>(g, m0, m1, p0, p1);
    case FloatType::F32:
        return gemm_float_as<FloatType::F32>(g, m0, m1, p0, p1);
    }
}

} // namespace
} // namespace bge::kernels
