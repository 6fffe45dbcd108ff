// Matrix multiply: tiles of up to kGemmRows rows x 16 * kGemmVectors channels, a panel of 32
// channels at a time. Per element: blocks (or k) in ascending order, one fma each, so the tile's
// shape never shows in the result.
#pragma once

#include <algorithm>

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

/// Fetches what a later tile will read into the second-level cache, a few lines per block of k.
struct Prefetch {
    const uint8_t* next = nullptr;
    int lines = 0;
    void step() {
        if (!next)
            return;
        for (int i = 0; i < lines; ++i)
            __builtin_prefetch(next + i * 64, 0, 1);
        next += lines * 64;
    }
};

/// One block's products of MR rows with 16 * NV channels, added to `acc`.
template <int MR, int NV>
inline void q8_block(const uint8_t* const (&row)[MR], int block, const uint8_t* w,
                     I (&acc)[MR][NV]) {
    BGE_UNROLL
    for (int s = 0; s < kBlock / 4; ++s) {
        Weights wv[NV];
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            wv[v] = load_weights(w + s * kPanel * 4 + v * 64);
        BGE_UNROLL
        for (int i = 0; i < MR; ++i) {
            const Act a =
                broadcast4(reinterpret_cast<const int8_t*>(row[i]) + block * kBlock + s * 4);
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                acc[i][v] = dot4(acc[i][v], wv[v], a);
        }
    }
}

template <class T> inline T read(const uint8_t* p) {
    T x;
    std::memcpy(&x, p, sizeof x);
    return x;
}

/// MR rows x 16 * NV channels starting at channel 16 * v0 of the panel. The rows' parts are reached
/// from one pointer each: there are not registers enough for more.
template <int MR, int NV, Quant Q>
BGE_NOINLINE void q8_tile(const GemmQ8& g, int m, const uint8_t* panel, Prefetch prefetch, int v0,
                          TileSums& sums) {
    constexpr int kBlocks = Q == Quant::Group ? kGroupBlocks : 1;
    const int scales = g.rows.k / (kBlocks * kBlock);
    const size_t scale_at = static_cast<size_t>(g.rows.k), part = static_cast<size_t>(scales) * 4;
    const uint8_t* row[MR];
    F total[MR][NV];
    BGE_UNROLL
    for (int i = 0; i < MR; ++i) {
        row[i] = g.rows.data + static_cast<size_t>(m + i) * g.rows.stride;
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            total[i][v] = set1(0.0f);
    }
    const uint8_t* w = panel + v0 * 64;
    for (int s = 0; s < scales; ++s) {
        const size_t scale = scale_at + static_cast<size_t>(s) * 4, correction = scale + part;
        I sum[MR][NV];
        BGE_UNROLL
        for (int i = 0; i < MR; ++i) {
            const I start = iset1(kUnsignedWeights ? read<int32_t>(row[i] + correction) : 0);
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                sum[i][v] = start;
        }
        if constexpr (Q == Quant::Block) {
            q8_block<MR, NV>(row, s, w, sum);
            prefetch.step();
            w += kPanel * kBlock;
        } else {
            for (int b = s * kBlocks; b < (s + 1) * kBlocks; ++b) {
                I acc[MR][NV];
                BGE_UNROLL
                for (int i = 0; i < MR; ++i) {
                    BGE_UNROLL
                    for (int v = 0; v < NV; ++v)
                        acc[i][v] = iset1(0);
                }
                q8_block<MR, NV>(row, b, w, acc);
                const size_t shift = scale_at + 2 * part + static_cast<size_t>(b) * 4;
                BGE_UNROLL
                for (int i = 0; i < MR; ++i) {
                    const int32_t n = read<int32_t>(row[i] + shift);
                    BGE_UNROLL
                    for (int v = 0; v < NV; ++v)
                        sum[i][v] = iadd(sum[i][v], shift_left(acc[i][v], n));
                }
                prefetch.step();
                w += kPanel * kBlock;
            }
        }
        const auto* ws = reinterpret_cast<const uint16_t*>(w - v0 * 64) + v0 * 16;
        F weight_scale[NV];
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            weight_scale[v] = load_f16(ws + v * 16);
        BGE_UNROLL
        for (int i = 0; i < MR; ++i) {
            const F factor = set1(read<float>(row[i] + scale));
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                total[i][v] = fma(to_float(sum[i][v]), mul(weight_scale[v], factor), total[i][v]);
        }
        w += kPanel * 2;
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

/// Bias and GELU, for `rows` rows of one panel.
void gelu_tile(const Epilogue& e, int rows, int panel, TileSums& sums) {
    const int n = panel * kPanel;
    const F b0 = e.bias ? load(e.bias + n) : set1(0.0f);
    const F b1 = e.bias ? load(e.bias + n + 16) : set1(0.0f);
    for (int i = 0; i < rows; i += 2) { // an odd row's neighbour is computed and not used
        F x[4] = {add(load(sums.v[i]), b0), add(load(sums.v[i] + 16), b1),
                  add(load(sums.v[i + 1]), b0), add(load(sums.v[i + 1] + 16), b1)};
        gelu_vectors(x);
        for (int j = 0; j < 4; ++j)
            store(sums.v[i + j / 2] + j % 2 * 16, x[j]);
    }
}

/// Bias, then what the epilogue asks for, for `rows` rows of one panel.
void finish_tile(const Epilogue& e, int m, int rows, int panel, TileSums& sums) {
    if (e.kind == Out::GeluQ8 || e.kind == Out::GeluF32)
        gelu_tile(e, rows, panel, sums);
    const int n = panel * kPanel;
    const F b0 = e.bias ? load(e.bias + n) : set1(0.0f);
    const F b1 = e.bias ? load(e.bias + n + 16) : set1(0.0f);
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
            quantize_block(x, y, q8_row(e.q8, m + i, Quant::Block), panel);
            break;
        case Out::F16:
            store_f16(e.f16 + at, mul(add(x, b0), set1(e.scale)));
            store_f16(e.f16 + at + 16, mul(add(y, b1), set1(e.scale)));
            break;
        }
    }
}

/// Out::GeluQ8 for the panels of one group.
void finish_group(const Epilogue& e, int m, int rows, int panel, TileSums (&sums)[kGroupBlocks]) {
    for (int p = 0; p < kGroupBlocks; ++p)
        gelu_tile(e, rows, panel + p, sums[p]);
    for (int i = 0; i < rows; ++i) {
        F x[2 * kGroupBlocks];
        for (int p = 0; p < kGroupBlocks; ++p) {
            x[2 * p] = load(sums[p].v[i]);
            x[2 * p + 1] = load(sums[p].v[i] + 16);
        }
        quantize_group(x, q8_row(e.q8, m + i, Quant::Group), panel / kGroupBlocks);
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

template <Quant Q>
void q8_rows_tile(const GemmQ8& g, int rows, int m, const uint8_t* panel, Prefetch prefetch,
                  TileSums& sums) {
    static_assert(kGemmRows <= 6, "the switch below");
    for (int v = 0; v < kPanel / 16; v += kGemmVectors) {
        switch (rows) {
        case 1:
            q8_tile<1, kGemmVectors, Q>(g, m, panel, prefetch, v, sums);
            break;
        case 2:
            q8_tile<2, kGemmVectors, Q>(g, m, panel, prefetch, v, sums);
            break;
        case 3:
            q8_tile<3, kGemmVectors, Q>(g, m, panel, prefetch, v, sums);
            break;
        case 4:
            q8_tile<4, kGemmVectors, Q>(g, m, panel, prefetch, v, sums);
            break;
        case 5:
            q8_tile < kGemmRows<5 ? 1 : 5, kGemmVectors, Q>(g, m, panel, prefetch, v, sums);
            break;
        default:
            q8_tile < kGemmRows<6 ? 1 : 6, kGemmVectors, Q>(g, m, panel, prefetch, v, sums);
            break;
        }
        prefetch.next = nullptr; // once is enough
    }
}

template <Quant Q> void gemm_q8_as(const GemmQ8& g, int m0, int m1, int p0, int p1) {
    const size_t panel_bytes = q8_panel_bytes(g.rows.k, Q);
    // Results that are quantized by groups need a group's panels side by side.
    const bool grouped = g.out.kind == Out::GeluQ8 && g.out.quant == Quant::Group;
    const int step = grouped ? kGroupBlocks : 1;
    TileSums sums[kGroupBlocks] = {}; // an odd row's neighbour is read, never used
    for (int p = p0; p < p1; p += step) {
        for_row_tiles(m0, m1, [&](int rows, int m, int t, int tiles) {
            for (int i = 0; i < step; ++i) {
                const uint8_t* panel = g.weights + static_cast<size_t>(p + i) * panel_bytes;
                Prefetch prefetch;
                const uint8_t* next = p + step < p1
                                          ? panel + static_cast<size_t>(step) * panel_bytes
                                      : g.next ? g.next + static_cast<size_t>(i) * panel_bytes
                                               : nullptr;
                if (next) { // each tile fetches its share of it
                    const size_t lines = panel_bytes / 64,
                                 blocks = static_cast<size_t>(g.rows.k / kBlock);
                    const size_t parts = static_cast<size_t>(tiles) * blocks;
                    prefetch.lines = static_cast<int>((lines + parts - 1) / parts);
                    prefetch.next = next + static_cast<size_t>(t) * blocks *
                                               static_cast<size_t>(prefetch.lines) * 64;
                }
                q8_rows_tile<Q>(g, rows, m, panel, prefetch, sums[i]);
            }
            if (grouped)
                finish_group(g.out, m, rows, p, sums);
            else
                finish_tile(g.out, m, rows, p, sums[0]);
        });
    }
}

void gemm_q8(const GemmQ8& g, int m0, int m1, int p0, int p1) {
    if (g.quant == Quant::Group)
        gemm_q8_as<Quant::Group>(g, m0, m1, p0, p1);
    else
        gemm_q8_as<Quant::Block>(g, m0, m1, p0, p1);
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
