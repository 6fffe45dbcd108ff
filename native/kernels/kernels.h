// The interface between those who decide (planner, heads) and those who compute: one table of plain
// functions over pointers and shapes per ISA. Every table gives the same bits for the same input:
// integers are exact, floating-point work is fma chains in an order that is fixed per row, and
// every reduction runs over 16 virtual lanes with one fixed tree (simd/vec_*.h). So a row's result
// depends neither on the rows beside it, nor on the tile it falls into, nor on the thread, nor on
// the ISA.
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

/// How activations are quantized to int8, always in blocks of 32.
enum class Quant {
    /// scale = max|x| / 127: ggml's Q8_0 with a float32 scale.
    Block,
    /// The same scale rounded up to three significant bits: 2^e * {1, 1.25, 1.5, 1.75}. Such a
    /// scale is
    /// the sum of two powers of two, so its product with a weight's scale needs two exponent adds
    /// and a float add instead of a multiplication, which is what limits Zen 4's dot products.
    Short,
};

/// Quantized rows of k int8. A row is [k int8][k/32 float scales][k/32 int32 -128*sum(block)] and,
/// for Quant::Short, [k/32 int32][k/32 int32]: the scale's two terms as what must be added to the
/// bits of a float to multiply it (sign and exponent).
struct Q8Rows {
    uint8_t* data = nullptr;
    size_t stride = 0; // bytes from row to row
    int k = 0;
};
constexpr size_t q8_row_bytes(int k) {
    return (static_cast<size_t>(k) + static_cast<size_t>(k / kBlock) * 16 + 63) / 64 * 64;
}

/// What becomes of a tile of (activation row . weight channel) sums after the bias was added.
enum class Out {
    F32,     // float rows
    GeluF32, // erf GELU, float rows
    GeluQ8,  // erf GELU, quantized rows
    Bf16,    // times `scale`, rounded to bfloat16 (nearest even), rows of n
};

struct Epilogue {
    Out kind = Out::F32;
    const float* bias = nullptr; // n floats, or null
    float* f32 = nullptr;        // row stride ld floats
    uint16_t* bf16 = nullptr;    // row stride ld elements
    size_t ld = 0;
    float scale = 1.0f;
    Q8Rows q8;
    Quant quant = Quant::Block;
};

/// Rows (int8) x packed Q8 weights (pack.h) -> epilogue.
struct GemmQ8 {
    Q8Rows rows;
    Quant quant = Quant::Block; // how `rows` was quantized
    const uint8_t* weights = nullptr;
    Epilogue out;
};

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
    Quant quant = Quant::Block;
};

/// softmax(q k^T) v for one head of one sequence. q, k, v are bfloat16 rows
/// [token][head][head_dim]; q already holds scale * log2(e). Products are of bfloat16 values, sums
/// in float32.
struct Attention {
    const uint16_t* q = nullptr;
    const uint16_t* k = nullptr;
    const uint16_t* v = nullptr;
    size_t ld = 0;        // elements from token to token, the same for the three
    int head_dim = 0;     // 32 or 64
    float* out = nullptr; // rows [token][head][head_dim], or null
    size_t ldo = 0;
    Q8Rows q8; // the same quantized; data may be null
    Quant quant = Quant::Block;
};
/// Bytes attention() needs for a sequence of `tokens`; 64-byte aligned.
size_t attention_scratch_bytes(int tokens, int head_dim);

struct KernelTable {
    Isa isa;
    const char* name;
    /// Packed weights hold q + 128 (for u8 x s8 dot products) instead of q.
    bool unsigned_weights;

    void (*quantize_rows)(const float* x, size_t ldx, int rows, Quant quant, const Q8Rows& out);
    /// Rows [m0, m1) x panels [p0, p1) of 32 channels.
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

/// The table in use: the best this machine has, or what BGE_M3_ISA names. Null when the machine is
/// below every table's floor.
const KernelTable* table();
/// The table of one ISA, or null when it is not compiled in or the machine lacks it.
const KernelTable* table_of(Isa isa);

} // namespace bge::kernels
