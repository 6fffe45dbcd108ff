// Floats to int8 in blocks of 32. Needs a vec_*.h before it.
#pragma once

#include "../kernels.h"

namespace bge::kernels {
namespace {

/// A quantized row's parts.
struct Q8Row {
    int8_t* q;
    float* scale;
    int32_t* correction;
    int32_t* terms[2];
};
inline Q8Row q8_row(const Q8Rows& rows, int m) {
    uint8_t* p = rows.data + static_cast<size_t>(m) * rows.stride;
    const int blocks = rows.k / kBlock;
    auto* scale = reinterpret_cast<float*>(p + rows.k);
    auto* correction = reinterpret_cast<int32_t*>(scale + blocks);
    return {reinterpret_cast<int8_t*>(p),
            scale,
            correction,
            {correction + blocks, correction + 2 * blocks}};
}

inline uint32_t float_bits(float x) {
    uint32_t u;
    std::memcpy(&u, &x, 4);
    return u;
}
inline float bits_float(uint32_t u) {
    float x;
    std::memcpy(&x, &u, 4);
    return x;
}

inline int32_t wrap_add(int32_t a, int32_t b) {
    return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

/// A block's scale, what to multiply its values with, and the scale's two terms (Quant::Short).
struct BlockScale {
    float scale, inverse;
    int32_t terms[2];
};
inline BlockScale exact_scale(float amax) {
    const bool some = amax >= 0x1p-100f; // below, 127 / amax could overflow
    return {some ? amax * (1.0f / 127.0f) : 0.0f, some ? 127.0f / amax : 0.0f, {0, 0}};
}
inline BlockScale short_scale(float amax) {
    // Up to two fraction bits, kept within 2^-60 .. 2^60 so that sums of exponents stay normal. The
    // 1 + 2^-20 makes the rounding of amax / 127 harmless: |x| / scale never rounds above 127.
    const float wanted = amax * (1.00000095367431640625f / 127.0f);
    uint32_t u = (float_bits(wanted) + 0x1fffffu) >> 21;
    u = u < 67 * 4 ? 67 * 4 : u > 187 * 4 ? 187 * 4 : u;
    const uint32_t exponent = u >> 2, fraction = u & 3;
    constexpr float kInverse[4] = {1.0f, 1.0f / 1.25f, 1.0f / 1.5f, 1.0f / 1.75f};
    // 1 = 2 - 1, 1.25 = 1 + 1/4, 1.5 = 1 + 1/2, 1.75 = 2 - 1/4, as additions to a float's bits.
    constexpr int32_t kOne = 1 << 23, kMinus = INT32_MIN;
    constexpr int32_t kFirst[4] = {kOne, 0, 0, kOne};
    constexpr int32_t kSecond[4] = {kMinus, -2 * kOne, -kOne, INT32_MAX - 2 * kOne + 1};
    const int32_t shift = (static_cast<int32_t>(exponent) - 127) * kOne;
    return {bits_float(u << 21),
            kInverse[fraction] * bits_float((254 - exponent) << 23),
            {kFirst[fraction] + shift, wrap_add(kSecond[fraction], shift)}};
}

template <Quant Q> inline void quantize_block(F a, F b, const Q8Row& row, int block) {
    const float amax = reduce_max(max(abs(a), abs(b)));
    const BlockScale s = Q == Quant::Block ? exact_scale(amax) : short_scale(amax);
    const F factor = set1(s.inverse);
    const I qa = to_int(mul(a, factor)), qb = to_int(mul(b, factor));
    store_i8(row.q + block * kBlock, qa);
    store_i8(row.q + block * kBlock + 16, qb);
    row.scale[block] = s.scale;
    // NaN rounds to INT32_MIN: nonsense, but not undefined (the engine refuses what comes of it)
    row.correction[block] =
        static_cast<int32_t>(static_cast<uint32_t>(ireduce_add(iadd(qa, qb))) * (0u - 128u));
    row.terms[0][block] = s.terms[0];
    row.terms[1][block] = s.terms[1];
}
inline void quantize_block(F a, F b, const Q8Row& row, int block, Quant quant) {
    if (quant == Quant::Block)
        quantize_block<Quant::Block>(a, b, row, block);
    else
        quantize_block<Quant::Short>(a, b, row, block);
}

void quantize_rows(const float* x, size_t ldx, int rows, Quant quant, const Q8Rows& out) {
    for (int m = 0; m < rows; ++m) {
        const Q8Row row = q8_row(out, m);
        const float* p = x + static_cast<size_t>(m) * ldx;
        for (int b = 0; b < out.k / kBlock; ++b)
            quantize_block(load(p + b * kBlock), load(p + b * kBlock + 16), row, b, quant);
    }
}

} // namespace
} // namespace bge::kernels
