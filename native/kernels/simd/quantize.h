// Floats to int8 in blocks of 32. Needs a vec_*.h before it.
#pragma once

#include "../kernels.h"

namespace bge::kernels {
namespace {

/// A quantized row's three parts.
struct Q8Row {
    int8_t* q;
    float* scale;
    int32_t* correction;
};
inline Q8Row q8_row(const Q8Rows& rows, int m) {
    uint8_t* p = rows.data + static_cast<size_t>(m) * rows.stride;
    auto* scale = reinterpret_cast<float*>(p + rows.k);
    return {reinterpret_cast<int8_t*>(p), scale,
            reinterpret_cast<int32_t*>(scale + rows.k / kBlock)};
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

/// Scale and its reciprocal for a block whose largest magnitude is `amax`.
template <Quant Q> inline void block_scale(float amax, float& scale, float& inverse) {
    if constexpr (Q == Quant::Block) {
        const bool some = amax >= 0x1p-100f; // below, 127 / amax could overflow
        scale = some ? amax * (1.0f / 127.0f) : 0.0f;
        inverse = some ? 127.0f / amax : 0.0f;
    } else {
        // Least power of two >= amax / 127, kept within 2^-60 .. 2^60: sums of exponents stay
        // normal. The 1 + 2^-20 makes the rounding of amax / 127 harmless: |x| / scale <= 127
        // always.
        const float wanted = amax * (1.00000095367431640625f / 127.0f);
        uint32_t exponent = (float_bits(wanted) + 0x7fffffu) >> 23;
        exponent = exponent < 67 ? 67 : exponent > 187 ? 187 : exponent;
        scale = bits_float(exponent << 23);
        inverse = bits_float((254 - exponent) << 23);
    }
}

template <Quant Q> inline void quantize_block(F a, F b, const Q8Row& row, int block) {
    float scale, inverse;
    block_scale<Q>(reduce_max(max(abs(a), abs(b))), scale, inverse);
    const F factor = set1(inverse);
    const I qa = to_int(mul(a, factor)), qb = to_int(mul(b, factor));
    store_i8(row.q + block * kBlock, qa);
    store_i8(row.q + block * kBlock + 16, qb);
    row.scale[block] = scale;
    row.correction[block] = -128 * ireduce_add(iadd(qa, qb));
}
inline void quantize_block(F a, F b, const Q8Row& row, int block, Quant quant) {
    if (quant == Quant::Block)
        quantize_block<Quant::Block>(a, b, row, block);
    else
        quantize_block<Quant::Pow2>(a, b, row, block);
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
