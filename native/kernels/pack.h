// How weights lie in memory for the kernels: panels of 32 output channels, k ascending.
//
// Q8 under Quant::Block, per block of 32 k: 8 steps of [32 channels][4 k] bytes (or 4
// of 8 k), q or q + 128, as the kernel table says; then 32 float16 scales. 1088 bytes per 32 x 32
// weights, the same as Q8_0. Under Quant::Fixed, first for 16 channels and then for the other 16:
// per pair of blocks 2 x 8 steps of [16 channels][4 k] (or 2 x 4) and 16 pairs of int16 scales; at
// the end 16 floats that the channels' scales are to be multiplied with. Float: per k 32 values of
// float16, bfloat16 or float32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.h"

namespace bge::kernels {

constexpr size_t kQ8PanelBlockBytes = static_cast<size_t>(kPanel) * (kBlock + 2);

constexpr size_t q8_panel_bytes(int k, Quant quant) {
    return static_cast<size_t>(k / kBlock) * kQ8PanelBlockBytes +
           (quant == Quant::Fixed ? kPanel * sizeof(float) : 0);
}
constexpr size_t q8_packed_bytes(int n, int k, Quant quant) {
    return static_cast<size_t>(n / kPanel) * q8_panel_bytes(k, quant);
}
constexpr size_t float_size(FloatType type) {
    return type == FloatType::F32 ? 4 : 2;
}
constexpr size_t float_panel_bytes(int k, FloatType type) {
    return static_cast<size_t>(k) * kPanel * float_size(type);
}
constexpr size_t float_packed_bytes(int n, int k, FloatType type) {
    return static_cast<size_t>(n / kPanel) * float_panel_bytes(k, type);
}

/// One block as ggml's Q8_0 stores it.
struct Q8Block {
    uint16_t scale; // float16
    int8_t q[kBlock];
};
static_assert(sizeof(Q8Block) == 34, "ggml's block_q8_0");

/// Packs n rows (output channels) of k weights in Q8_0; n % 32 == k % 32 == 0.
void pack_q8(const Q8Block* rows, int n, int k, Quant quant, Packing packing, uint8_t* out);
/// Packs 32 rows (one panel).
void pack_q8_panel(const Q8Block* rows, int k, Quant quant, Packing packing, uint8_t* out);
/// Packs n rows of k floats of `type`.
void pack_float(const void* rows, int n, int k, FloatType type, uint8_t* out);
/// x as float16; false when that is not exact.
bool float_to_half_exact(float x, uint16_t* half);
/// Rounds k floats to Q8_0 (scale = max|x| / 127 rounded to float16).
void quantize_q8(const float* x, int k, Q8Block* out);

} // namespace bge::kernels
