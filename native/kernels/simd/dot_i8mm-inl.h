// Dot products of quantized rows with packed weights by smmla (Armv8.6's int8 matrix multiply,
// FEAT_I8MM): eight k of two rows times eight k of two channels, twice the work of dot_sdot.h's.
// After vec_neon-inl.h.
#pragma once

#include <arm_neon.h>

#include "../kernels.h"
#include "unroll-inl.h"

namespace bge::kernels {
namespace {

/// k that lie side by side, in rows and in weights.
constexpr int kStep = 8;

inline int32x4_t low_halves(int32x4_t a, int32x4_t b) {
    return vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}
inline int32x4_t high_halves(int32x4_t a, int32x4_t b) {
    return vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

/// As in dot.h. An odd MR's last row has a neighbour in its tile, whose products are dropped.
template <int MR, int NV, int Step>
inline void q8_block(const uint8_t* rows, const uint8_t* w, size_t next, I (&acc)[MR][NV]) {
    constexpr int kPairs = (MR + 1) / 2;
    int32x4_t sums[kPairs][NV][8]; // of 2 rows x 2 channels: row 0's two, row 1's two
    BGE_UNROLL
    for (int p = 0; p < kPairs; ++p) {
        const int second = 2 * p + 1 < MR ? 2 * p + 1 : 2 * p;
        BGE_UNROLL
        for (int v = 0; v < NV; ++v) {
            BGE_UNROLL
            for (int j = 0; j < 4; ++j) {
                const int32x4_t a = acc[2 * p][v].v[j], b = acc[second][v].v[j];
                sums[p][v][2 * j] = low_halves(a, b);
                sums[p][v][2 * j + 1] = high_halves(a, b);
            }
        }
    }
    BGE_UNROLL
    for (int s = 0; s < kBlock / kStep; ++s) {
        int8x16_t a[kPairs];
        BGE_UNROLL
        for (int p = 0; p < kPairs; ++p)
            a[p] = vreinterpretq_s8_u8(vld1q_u8(rows + (s * kTileRows + 2 * p) * kStep));
        BGE_UNROLL
        for (int v = 0; v < NV; ++v) {
            const uint8_t* wv = w + s * Step + static_cast<size_t>(v) * next;
            BGE_UNROLL
            for (int j = 0; j < 8; ++j) {
                const int8x16_t b = vreinterpretq_s8_u8(vld1q_u8(wv + j * 16));
                BGE_UNROLL
                for (int p = 0; p < kPairs; ++p)
                    sums[p][v][j] = vmmlaq_s32(sums[p][v][j], a[p], b);
            }
        }
    }
    BGE_UNROLL
    for (int i = 0; i < MR; ++i) {
        BGE_UNROLL
        for (int v = 0; v < NV; ++v) {
            BGE_UNROLL
            for (int j = 0; j < 4; ++j) {
                const int32x4_t x = sums[i / 2][v][2 * j], y = sums[i / 2][v][2 * j + 1];
                acc[i][v].v[j] = i % 2 ? high_halves(x, y) : low_halves(x, y);
            }
        }
    }
}

} // namespace
} // namespace bge::kernels
