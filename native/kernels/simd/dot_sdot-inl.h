// Dot products of quantized rows with packed weights by sdot, four k at a time: one load holds four
// rows, which sdot takes by lane. After vec_neon-inl.h.
#pragma once

#include <arm_neon.h>

#include "../kernels.h"
#include "unroll-inl.h"

namespace bge::kernels {
namespace {

/// k that lie side by side, in rows and in weights.
constexpr int kStep = 4;

/// sums of 4 channels + their products with one of the rows in `a`.
inline int32x4_t dot_row(int32x4_t sum, int8x16_t w, int8x16_t a, int row) {
    switch (row) { // a lane is an immediate
    case 0:
        return vdotq_laneq_s32(sum, w, a, 0);
    case 1:
        return vdotq_laneq_s32(sum, w, a, 1);
    case 2:
        return vdotq_laneq_s32(sum, w, a, 2);
    default:
        return vdotq_laneq_s32(sum, w, a, 3);
    }
}

/// As in dot.h, MR <= 4; fewer rows have neighbours in their tile, which are loaded and not used.
template <int MR, int NV, int Step>
inline void q8_block(const uint8_t* rows, const uint8_t* w, size_t next, I (&acc)[MR][NV]) {
    static_assert(MR <= 4, "rows of one load");
    BGE_UNROLL
    for (int s = 0; s < kBlock / kStep; ++s) {
        const int8x16_t a = vreinterpretq_s8_u8(vld1q_u8(rows + s * kTileRows * kStep));
        BGE_UNROLL
        for (int v = 0; v < NV; ++v) {
            const uint8_t* wv = w + s * Step + static_cast<size_t>(v) * next;
            BGE_UNROLL
            for (int j = 0; j < 4; ++j) {
                const int8x16_t b = vreinterpretq_s8_u8(vld1q_u8(wv + j * 16));
                BGE_UNROLL
                for (int i = 0; i < MR; ++i)
                    acc[i][v].v[j] = dot_row(acc[i][v].v[j], b, a, i);
            }
        }
    }
}

} // namespace
} // namespace bge::kernels
