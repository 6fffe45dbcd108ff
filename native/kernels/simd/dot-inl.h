// Dot products of quantized rows with packed weights, four k at a time. Needs a vec_*-inl.h before
// it.
#pragma once

#include "../kernels.h"
#include "unroll-inl.h"

namespace bge::kernels {
namespace {

/// k that lie side by side, in rows and in weights.
constexpr int kStep = 4;

/// One block's products of MR rows (of a tile) with 16 * NV channels, added to `acc`. @tparam Step
/// bytes from kStep k of the weights to the next; @param next to the next 16 channels
template <int MR, int NV, int Step>
inline void q8_block(const uint8_t* rows, const uint8_t* w, size_t next, I (&acc)[MR][NV]) {
    BGE_UNROLL_ALWAYS
    for (int s = 0; s < kBlock / kStep; ++s) {
        Weights wv[NV];
        BGE_UNROLL_ALWAYS
        for (int v = 0; v < NV; ++v)
            wv[v] = load_weights(w + s * Step + static_cast<size_t>(v) * next);
        BGE_UNROLL_ALWAYS
        for (int i = 0; i < MR; ++i) {
            const Act a = broadcast4(rows + (s * kTileRows + i) * kStep);
            BGE_UNROLL_ALWAYS
            for (int v = 0; v < NV; ++v)
                acc[i][v] = dot4(acc[i][v], wv[v], a);
        }
    }
}

} // namespace
} // namespace bge::kernels
