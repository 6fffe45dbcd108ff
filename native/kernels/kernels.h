// The interface between those who decide (planner, heads) and those who compute: one table of plain
// functions over pointers and shapes per ISA. Every table gives the same bits for the same input:
// integers are exact, floating-point work is fma chains in an order that is fixed per row, and
// every reduction runs over 16 virtual lanes with one fixed tree (simd/vec_*-inl.h). So a row's
// result depends neither on the rows beside it, nor on the tile it falls into, nor on the thread,
// nor on the ISA.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa.h"

namespace bge::kernels {

/// Elements that share a scale, in weights and in activations (Q8_0's block).
constexpr int kBlock = 32;
/// Output channels that are packed side by side.
constexpr int kPanel = 32;
/// Keys that one step of the streaming softmax takes; part of the definition of the result.
constexpr int kKeyTile = 512;

/// How the scales of blocks meet in a multiply. Blocks are the same: 32 int8 and a scale.
enum class Quant {
    /// As float32 numbers: two multiplies per channel, row and block.
    Block,
    /// In 16-bit fixed point: a row's (or channel's) scales as 32767ths of its largest, the product
    /// of two of them rounded to 32767ths again, and the blocks' integer sums without their lowest
    /// four bits, so that two blocks cost two multiplies: on Zen 4 those share their ports with the
    /// dot products. A block's factor is off by some 3 * 2^-16 of the row's largest scale times the
    /// channel's at most, where int8 itself rounds off 2^-8.
    Fixed,
};
/// How rows of k elements are multiplied: Quant::Fixed takes blocks in pairs.
constexpr Quant quant_of(Quant wanted, int k) {
    return wanted == Quant::Fixed && k % (2 * kBlock) == 0 ? Quant::Fixed : Quant::Block;
}

/// Rows that quantized activations lie side by side in.
constexpr int kTileRows = 8;

/// Quantized rows of k int8, in tiles of 8 rows, which one after the other hold per block of 32 k
/// [8 steps of 4 k][8 rows][4 int8], [8 rows] int32 -128 * sum(block), [8 rows] float scales; where
/// a step is of 8 k (Packing) [4 steps][8 rows][8 int8], [8 rows] both numbers. So a multiply reads
/// a tile from front to end. The last tile is whole, whatever its last rows hold.
struct Q8Rows {
    uint8_t* data = nullptr; // 64-byte aligned
    int k = 0;
};
constexpr size_t kQ8TileBlockBytes = static_cast<size_t>(kTileRows) * (kBlock + 8);
constexpr size_t q8_tile_bytes(int k) {
    return static_cast<size_t>(k / kBlock) * kQ8TileBlockBytes;
}
constexpr size_t q8_rows_bytes(int rows, int k) {
    return static_cast<size_t>((rows + kTileRows - 1) / kTileRows) * q8_tile_bytes(k);
}

/// What becomes of a tile of (activation row . weight channel) sums after the bias was added.
enum class Out {
    F32,     // float rows
    GeluF32, // erf GELU, float rows
    GeluQ8,  // erf GELU, quantized rows
    F16,     // times `scale`, rounded to float16 (nearest even), rows of n
};

struct Epilogue {
    Out kind = Out::F32;
    const float* bias = nullptr; // n floats, or null
    float* f32 = nullptr;        // row stride ld floats
    uint16_t* f16 = nullptr;     // row stride ld elements
    size_t ld = 0;
    float scale = 1.0f;
    Q8Rows q8;
};

/// Rows (int8) x packed Q8 weights (pack.h) -> epilogue.
struct GemmQ8 {
    Q8Rows rows;
    Quant quant = Quant::Block; // how `weights` are packed
    const uint8_t* weights = nullptr;
    /// Quant::Fixed: what fix_scales() left for the same rows.
    const uint8_t* scales = nullptr;
    /// What the thread reads after the call, or null: fetched while the last panel is computed.
    const uint8_t* next = nullptr;
    Epilogue out;
};

/// Bytes that fix_scales() writes: per tile and pair of blocks [2][8 rows] int32 that sums start
/// with and [8 rows][2 int16], then [8 rows] floats.
constexpr size_t fixed_scales_bytes(int rows, int k) {
    return static_cast<size_t>((rows + kTileRows - 1) / kTileRows) *
           (static_cast<size_t>(k / (2 * kBlock)) * 3 + 1) * kTileRows * 4;
}

enum class FloatType { F16, BF16, F32 };

/// Float rows x packed float weights (pack.h) -> epilogue; float32 accumulators, k ascending.
struct GemmFloat {
    const float* rows = nullptr;
    size_t ld = 0; // floats from row to row
    int k = 0;
    FloatType type = FloatType::F16;
    const uint8_t* weights = nullptr;
    Epilogue out;
};

/// y = (x [+ residual] - mean) / sqrt(variance + eps) * weight + bias, row by row; n % 32 == 0.
/// In place (y == x or y == residual) is fine.
struct NormRows {
    const float* x = nullptr;
    size_t ldx = 0;
    const float* residual = nullptr; // may be null
    size_t ld_residual = 0;
    const float* weight = nullptr;
    const float* bias = nullptr;
    float eps = 0;
    int n = 0;
    float* y = nullptr; // may be null when only q8 is wanted
    size_t ldy = 0;
    Q8Rows q8; // data may be null
};

/// softmax(q k^T) v for one head of one sequence. q, k, v are float16 rows
/// [token][head][head_dim]; q already holds scale * log2(e). simd/attention-inl.h says how it is
/// rounded.
struct Attention {
    const uint16_t* q = nullptr;
    const uint16_t* k = nullptr;
    const uint16_t* v = nullptr;
    size_t ld = 0;        // elements from token to token, the same for the three
    int head_dim = 0;     // 32 or 64
    float* out = nullptr; // rows [token][head][head_dim], or null
    size_t ldo = 0;
    Q8Rows q8; // the same quantized; data may be null
};
/// Bytes attention() needs for a sequence of `tokens`; 64-byte aligned.
size_t attention_scratch_bytes(int tokens, int head_dim);

/// How a table wants its weights packed, and packs its rows.
struct Packing {
    /// Weights hold q + 128 (for u8 x s8 dot products) instead of q.
    bool plus_128 = false;
    /// k that lie side by side: what one dot product takes.
    int step = 4;
};

struct KernelTable {
    Isa isa;
    const char* name;
    Packing packing;

    /// Rows [m0, m1) of k floats.
    void (*quantize_rows)(const float* x, size_t ldx, int m0, int m1, const Q8Rows& out);
    /// Quant::Fixed: brings the scales of rows [m0, m1) into the form that gemm_q8() takes for the
    /// same rows; m0 % 8 == 0.
    void (*fix_scales)(const Q8Rows& rows, int m0, int m1, uint8_t* out);
    /// Rows [m0, m1) x panels [p0, p1) of 32 channels; m0 % 8 == 0.
    void (*gemm_q8)(const GemmQ8& g, int m0, int m1, int p0, int p1);
    void (*gemm_float)(const GemmFloat& g, int m0, int m1, int p0, int p1);
    void (*norm_rows)(const NormRows& g, int r0, int r1);
    /// Packs the head's keys and values into scratch, for attention() of any of its query rows.
    void (*attention_pack)(const Attention& g, int begin, int end, int head, void* scratch);
    /// Rows [q0, q1) of the sequence [begin, end) (absolute row numbers).
    void (*attention)(const Attention& g, int begin, int end, int head, int q0, int q1,
                      const void* scratch);
    /// y[i] = erf GELU of x[i]; n % 16 == 0.
    void (*gelu)(const float* x, float* y, int n);
    /// Dot products of `rows` rows of n floats with w; n % 16 == 0.
    void (*dot_rows)(const float* x, size_t ldx, int rows, int n, const float* w, float* out);
    /// Divides each row by its length (rows of zeros stay); n % 16 == 0.
    void (*normalize_rows)(float* x, size_t ldx, int rows, int n);
};

/// The table in use: what BGE_M3_ISA names, else `wish`, else the best this machine has. Chosen by
/// the first call in the process. Null when the machine is below every table's floor.
const KernelTable* table(const char* wish = nullptr);
/// The table of one ISA, or null when it is not compiled in or the machine lacks it.
const KernelTable* table_of(Isa isa);

} // namespace bge::kernels
