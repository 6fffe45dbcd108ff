// Matrix multiply: tiles of a few rows x 16 or 32 channels, a panel of 32 channels at a time. Per
// element: blocks, pairs of blocks or k in ascending order, one float addition (or fma) each, so
// the tile's shape never shows in the result.
#pragma once

#include <algorithm>
#include <type_traits>

#include "../kernels.h"
#include "../pack.h"
#include "gelu-inl.h"
#include "quantize-inl.h"
#include "unroll-inl.h"

namespace bge::kernels {
namespace {

/// What a tile leaves: rows x one panel.
struct alignas(64) TileSums {
    float v[kTileRows][kPanel];
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
    void skip(int steps) {
        if (next)
            next += static_cast<ptrdiff_t>(steps) * lines * 64;
    }
};

template <int MR, int NV> inline void store_sums(const F (&total)[MR][NV], float* out) {
    BGE_UNROLL
    for (int i = 0; i < MR; ++i) {
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            store(out + i * kPanel + v * 16, total[i][v]);
    }
}

/// MR rows x 16 * NV channels starting at channel 16 * v0 of the panel. @param rows from q8_row()
template <int MR, int NV>
BGE_NOINLINE void block_tile(const uint8_t* rows, int blocks, const uint8_t* panel, int v0,
                             Prefetch prefetch, float* out) {
    F total[MR][NV];
    BGE_UNROLL
    for (int i = 0; i < MR; ++i) {
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            total[i][v] = set1(0.0f);
    }
    const uint8_t* w = panel + v0 * 16 * kStep;
    for (int b = 0; b < blocks; ++b) {
        I sum[MR][NV];
        BGE_UNROLL
        for (int i = 0; i < MR; ++i) {
            const I start =
                iset1(kUnsignedWeights ? read<int32_t>(rows + kQ8Start + i * kStep) : 0);
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                sum[i][v] = start;
        }
        q8_block<MR, NV, kPanel * kStep>(rows, w, 16 * kStep, sum);
        prefetch.step();
        w += kPanel * kBlock;
        const auto* ws = reinterpret_cast<const uint16_t*>(w - v0 * 16 * kStep) + v0 * 16;
        F weight_scale[NV];
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            weight_scale[v] = load_f16(ws + v * 16);
        BGE_UNROLL
        for (int i = 0; i < MR; ++i) {
            const F factor = set1(read<float>(rows + kQ8Scale + i * kStep));
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                total[i][v] = fma(to_float(sum[i][v]), mul(weight_scale[v], factor), total[i][v]);
        }
        w += kPanel * 2;
        rows += kQ8TileBlockBytes;
    }
    store_sums(total, out);
}

/// The end of a sum under Quant::Fixed: what rows (`scales`) and channels (`w`) are multiplied
/// with.
template <int MR, int NV>
inline void scale_fixed(const uint8_t* scales, const uint8_t* w, size_t half_panel,
                        F (&total)[MR][NV]) {
    BGE_UNROLL
    for (int i = 0; i < MR; ++i) {
        const F factor = set1(read<float>(scales + i * 4));
        BGE_UNROLL
        for (int v = 0; v < NV; ++v) {
            const auto* factors =
                reinterpret_cast<const float*>(w + static_cast<size_t>(v) * half_panel);
            total[i][v] = mul(total[i][v], mul(load(factors), factor));
        }
    }
}

/// The same under Quant::Fixed. @param half_panel bytes of 16 channels; @param scales of the rows,
/// from fix_tile()
template <int MR, int NV>
BGE_NOINLINE void fixed_tile(const uint8_t* rows, int blocks, const uint8_t* scales,
                             const uint8_t* w, size_t half_panel, Prefetch prefetch, float* out) {
    F total[MR][NV];
    BGE_UNROLL
    for (int i = 0; i < MR; ++i) {
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            total[i][v] = set1(0.0f);
    }
    for (int b = 0; b < blocks; b += 2) {
        I sum[2][MR][NV];
        BGE_UNROLL
        for (int half = 0; half < 2; ++half) {
            BGE_UNROLL
            for (int i = 0; i < MR; ++i) {
                const uint8_t* at = scales + half * kTileRows * 4 + i * 4;
                const I start = iset1(kUnsignedWeights ? read<int32_t>(at) : 8);
                BGE_UNROLL
                for (int v = 0; v < NV; ++v)
                    sum[half][i][v] = start;
            }
            q8_block<MR, NV, 16 * kStep>(rows, w, half_panel, sum[half]);
            prefetch.step();
            w += 16 * kBlock;
            rows += kQ8TileBlockBytes;
        }
        Pair weight_scales[NV];
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            weight_scales[v] = load_pair(w + static_cast<size_t>(v) * half_panel);
        BGE_UNROLL
        for (int i = 0; i < MR; ++i) {
            const LeftPair row_scales = broadcast_pair(scales + 2 * kTileRows * 4 + i * 4);
            BGE_UNROLL
            for (int v = 0; v < NV; ++v) {
                const Pair scale = multiply_fixed(weight_scales[v], row_scales);
                total[i][v] =
                    add(total[i][v], to_float(dot_fixed(sum[0][i][v], sum[1][i][v], scale)));
            }
        }
        w += 16 * 4;
        scales += 3 * kTileRows * 4;
    }
    scale_fixed(scales, w, half_panel, total);
    store_sums(total, out);
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

/// Out::GeluQ8, after gelu_tile().
void quantize_tile(const Epilogue& e, int m, int rows, int panel, const TileSums& sums) {
    if (rows < kTileRows) {
        for (int i = 0; i < rows; ++i)
            quantize_block(load(sums.v[i]), load(sums.v[i] + 16), q8_row(e.q8, m + i), panel);
        return;
    }
    F a[kTileRows], b[kTileRows];
    uint8_t* to[kTileRows];
    for (int i = 0; i < kTileRows; ++i) {
        a[i] = load(sums.v[i]);
        b[i] = load(sums.v[i] + 16);
        to[i] = q8_row(e.q8, m + i) + static_cast<size_t>(panel) * kQ8TileBlockBytes;
    }
    quantize_blocks(a, b, to);
}

/// Bias, then what the epilogue asks for, for `rows` rows of one panel.
void finish_tile(const Epilogue& e, int m, int rows, int panel, TileSums& sums) {
    if (e.kind == Out::GeluQ8 || e.kind == Out::GeluF32)
        gelu_tile(e, rows, panel, sums);
    if (e.kind == Out::GeluQ8)
        return quantize_tile(e, m, rows, panel, sums);
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
        case Out::GeluQ8: // by quantize_tile()
            break;
        case Out::F16:
            store_f16(e.f16 + at, mul(add(x, b0), set1(e.scale)));
            store_f16(e.f16 + at + 16, mul(add(y, b1), set1(e.scale)));
            break;
        }
    }
}

/// Passes over 16 or 32 of a panel's channels that `rows` rows take.
constexpr int passes_of(int rows) {
    constexpr int kParts = kPanel / 16;
    const int rest = rows % kQ8Rows;
    return rows / kQ8Rows * (kParts / q8_vectors(kQ8Rows)) + (rest ? kParts / q8_vectors(rest) : 0);
}

template <Quant Q> void gemm_q8_as(const GemmQ8& g, int m0, int m1, int p0, int p1) {
    const int blocks = g.rows.k / kBlock;
    const size_t panel_bytes = q8_panel_bytes(g.rows.k, Q);
    const int passes = passes_of(m1 - m0);
    TileSums sums = {}; // an odd row's neighbour is read, never used
    for (int p = p0; p < p1; ++p) {
        const uint8_t* panel = g.weights + static_cast<size_t>(p) * panel_bytes;
        Prefetch prefetch;
        prefetch.next = p + 1 < p1 ? panel + panel_bytes : g.next;
        const auto lines = static_cast<int>(panel_bytes / 64);
        prefetch.lines = (lines + passes * blocks - 1) / (passes * blocks);
        for (int m = m0; m < m1; m += kTileRows) {
            const int rows = std::min(kTileRows, m1 - m);
            for (int i = 0; i < rows; i += kQ8Rows)
                with_rows<kQ8Rows>(std::min(kQ8Rows, rows - i), [&](auto count) {
                    constexpr int kVectors = q8_vectors(count);
                    for (int v = 0; v < kPanel / 16; v += kVectors) {
                        const uint8_t* x = q8_row(g.rows, m + i);
                        float* out = sums.v[i] + v * 16;
                        if constexpr (Q == Quant::Fixed)
                            fixed_tile<count, kVectors>(
                                x, blocks, g.scales + fixed_scales_bytes(m - m0, g.rows.k) + i * 4,
                                panel + static_cast<size_t>(v) * (panel_bytes / 2), panel_bytes / 2,
                                prefetch, out);
                        else
                            block_tile<count, kVectors>(x, blocks, panel, v, prefetch, out);
                        prefetch.skip(blocks);
                    }
                });
            finish_tile(g.out, m, rows, p, sums);
        }
    }
}

void gemm_q8(const GemmQ8& g, int m0, int m1, int p0, int p1) {
    if (g.quant == Quant::Fixed)
        gemm_q8_as<Quant::Fixed>(g, m0, m1, p0, p1);
    else
        gemm_q8_as<Quant::Block>(g, m0, m1, p0, p1);
}

template <FloatType T> void gemm_float_as(const GemmFloat& g, int m0, int m1, int p0, int p1) {
    const size_t panel_bytes = float_panel_bytes(g.k, T);
    TileSums sums = {}; // an odd row's neighbour is read, never used
    for (int p = p0; p < p1; ++p) {
        const uint8_t* panel = g.weights + static_cast<size_t>(p) * panel_bytes;
        const int tiles = (m1 - m0 + kGemmRows - 1) / kGemmRows;
        for (int t = 0, m = m0, rows; t < tiles; ++t, m += rows) {
            const int left = tiles - t;
            rows = (m1 - m + left - 1) / left; // even pieces
            with_rows<kGemmRows>(rows, [&](auto count) {
                for (int v = 0; v < kPanel / 16; v += kGemmVectors)
                    float_tile<count, kGemmVectors, T>(g, m, panel, v, sums);
            });
            finish_tile(g.out, m, rows, p, sums);
        }
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
