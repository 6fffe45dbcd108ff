// gemm-inl.h's multiply of quantized rows with the integer sums by AMX: the same sums, the same
// float operations in the same order, the same weights as AVX-512 VNNI's. After gemm-inl.h.
#pragma once

#include "gemm-inl.h"
#include "tiles_amx-inl.h"

namespace bge::kernels {
namespace {

/// Longer rows are left to gemm-inl.h: what spread_tile() leaves lies on the stack.
constexpr int kMostAmx = 4096;

/// A tile of rows with each row's block in one piece: per block [8 rows][32 int8].
void spread_tile(const uint8_t* tile, int blocks, uint8_t* out) {
    const __m512i order = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    __m512i pick[4]; // of rows 2 i and 2 i + 1 four steps each, out of two times two steps
    for (int i = 0; i < 4; ++i)
        pick[i] =
            _mm512_add_epi32(_mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 0, 0, 0, 0, 0, 0, 0, 0),
                             _mm512_set1_epi32(2 * i));
    for (int b = 0; b < blocks; ++b, tile += kQ8TileBlockBytes, out += kTileRows * kBlock) {
        __m512i step[4]; // two steps of eight rows each
        for (int i = 0; i < 4; ++i)
            step[i] = _mm512_loadu_si512(tile + i * 64);
        for (int i = 0; i < 4; ++i) {
            const __m512i first = _mm512_permutex2var_epi32(step[0], pick[i], step[1]);
            const __m512i last = _mm512_permutex2var_epi32(step[2], pick[i], step[3]);
            _mm512_storeu_si512(out + i * 64, _mm512_permutex2var_epi64(first, order, last));
        }
    }
}

/// Integer sums of 8 rows with 32 channels, without what they start with.
struct alignas(64) AmxSums {
    int32_t v[2][kTileRows][16];
    I at(int half, int row) const { return _mm512_load_si512(v[half][row]); }
};

/// One block. @param stride bytes from 4 k of the weights to the next; @param next to the other 16
/// channels
inline void amx_block(const uint8_t* rows, const uint8_t* w, size_t stride, size_t next,
                      AmxSums& sums) {
    BGE_TILE_LOAD(0, rows, kBlock);
    BGE_TILE_LOAD(1, w, stride);
    BGE_TILE_LOAD(2, w + next, stride);
    BGE_TILE_ZERO(3);
    BGE_TILE_ZERO(4);
    BGE_TILE_DOT(3, 0, 1);
    BGE_TILE_DOT(4, 0, 2);
    BGE_TILE_STORE(3, sums.v[0], 64);
    BGE_TILE_STORE(4, sums.v[1], 64);
}

/// block_tile() of 8 rows and the whole panel. @param tile the rows; @param spread the same from
/// spread_tile()
void amx_block_tile(const uint8_t* tile, const uint8_t* spread, int blocks, const uint8_t* w,
                    Prefetch prefetch, TileSums& out) {
    F total[kTileRows][2];
    for (auto& row : total)
        row[0] = row[1] = set1(0.0f);
    AmxSums sums[2]; // in turn: a block's are read while the next one's are computed
    for (int b = 0; b < blocks; ++b) {
        AmxSums& sum = sums[b % 2];
        amx_block(spread, w, kPanel * 4, 64, sum);
        prefetch.step();
        spread += kTileRows * kBlock;
        w += kPanel * kBlock;
        const auto* ws = reinterpret_cast<const uint16_t*>(w);
        const F weight_scale[2] = {load_f16(ws), load_f16(ws + 16)};
        BGE_UNROLL
        for (int i = 0; i < kTileRows; ++i) {
            const I start = iset1(read<int32_t>(tile + kQ8Start + i * kStep));
            const F factor = set1(read<float>(tile + kQ8Scale + i * kStep));
            BGE_UNROLL
            for (int v = 0; v < 2; ++v)
                total[i][v] = fma(to_float(iadd(sum.at(v, i), start)), mul(weight_scale[v], factor),
                                  total[i][v]);
        }
        w += kPanel * 2;
        tile += kQ8TileBlockBytes;
    }
    store_sums(total, out.v[0]);
}

/// fixed_tile(), likewise.
void amx_fixed_tile(const uint8_t* spread, int blocks, const uint8_t* scales, const uint8_t* w,
                    size_t half_panel, Prefetch prefetch, TileSums& out) {
    F total[kTileRows][2];
    for (auto& row : total)
        row[0] = row[1] = set1(0.0f);
    AmxSums sums[2];
    for (int b = 0; b < blocks; b += 2) {
        for (int half = 0; half < 2; ++half) {
            amx_block(spread, w, 64, half_panel, sums[half]);
            prefetch.step();
            w += 16 * kBlock;
            spread += kTileRows * kBlock;
        }
        const Pair weight_scales[2] = {load_pair(w), load_pair(w + half_panel)};
        BGE_UNROLL
        for (int i = 0; i < kTileRows; ++i) {
            const I first = iset1(read<int32_t>(scales + i * 4));
            const I second = iset1(read<int32_t>(scales + kTileRows * 4 + i * 4));
            const LeftPair row_scales = broadcast_pair(scales + 2 * kTileRows * 4 + i * 4);
            BGE_UNROLL
            for (int v = 0; v < 2; ++v) {
                const Pair scale = multiply_fixed(weight_scales[v], row_scales);
                const I sum =
                    dot_fixed(iadd(sums[0].at(v, i), first), iadd(sums[1].at(v, i), second), scale);
                total[i][v] = add(total[i][v], to_float(sum));
            }
        }
        w += 16 * 4;
        scales += 3 * kTileRows * 4;
    }
    scale_fixed(scales, w, half_panel, total);
    store_sums(total, out.v[0]);
}

void gemm_q8_amx(const GemmQ8& g, int m0, int m1, int p0, int p1) {
    if (g.rows.k > kMostAmx)
        return gemm_q8(g, m0, m1, p0, p1);
    const int blocks = g.rows.k / kBlock;
    const size_t panel_bytes = q8_panel_bytes(g.rows.k, g.quant);
    alignas(64) uint8_t spread[static_cast<size_t>(kTileRows) * kMostAmx];
    TileSums sums = {}; // an odd row's neighbour is read, never used
    const Tiles tiles;
    for (int m = m0; m < m1; m += kTileRows) {
        const uint8_t* tile = q8_row(g.rows, m);
        spread_tile(tile, blocks, spread);
        for (int p = p0; p < p1; ++p) {
            const uint8_t* panel = g.weights + static_cast<size_t>(p) * panel_bytes;
            Prefetch prefetch;
            if (m == m0)
                prefetch.next = p + 1 < p1 ? panel + panel_bytes : g.next;
            prefetch.lines = (static_cast<int>(panel_bytes / 64) + blocks - 1) / blocks;
            if (g.quant == Quant::Fixed)
                amx_fixed_tile(spread, blocks, g.scales + fixed_scales_bytes(m - m0, g.rows.k),
                               panel, panel_bytes / 2, prefetch, sums);
            else
                amx_block_tile(tile, spread, blocks, panel, prefetch, sums);
            finish_tile(g.out, m, std::min(kTileRows, m1 - m), p, sums);
        }
    }
}

} // namespace
} // namespace bge::kernels
