// Floats to int8 in blocks of 32 or groups of 128. Needs a vec_*.h before it.
#pragma once

#include "../kernels.h"

namespace bge::kernels {
namespace {

/// A quantized row's parts.
struct Q8Row {
    int8_t* q;
    float* scale;
    int32_t* correction;
    int32_t* shift; // Quant::Group only
};
inline Q8Row q8_row(const Q8Rows& rows, int m, Quant quant) {
    uint8_t* p = rows.data + static_cast<size_t>(m) * rows.stride;
    const int scales = rows.k / (quant == Quant::Group ? kGroup : kBlock);
    auto* scale = reinterpret_cast<float*>(p + rows.k);
    auto* correction = reinterpret_cast<int32_t*>(scale + scales);
    return {reinterpret_cast<int8_t*>(p), scale, correction, correction + scales};
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

/// A scale, and what to multiply values with.
struct Scale {
    float scale, inverse;
};
inline Scale scale_for(float amax) {
    const bool some = amax >= 0x1p-100f; // below, 127 / amax could overflow
    return {some ? amax * (1.0f / 127.0f) : 0.0f, some ? 127.0f / amax : 0.0f};
}

/// Two vectors to 32 int8. @returns their sum. NaN rounds to INT32_MIN: nonsense, but sums of it
/// are unsigned and so not undefined (the engine refuses what comes of it).
inline uint32_t quantize_values(F a, F b, float inverse, int8_t* q) {
    const F factor = set1(inverse);
    const I qa = to_int(mul(a, factor)), qb = to_int(mul(b, factor));
    store_i8(q, qa);
    store_i8(q + 16, qb);
    return static_cast<uint32_t>(ireduce_add(iadd(qa, qb)));
}

/// Quant::Block.
inline void quantize_block(F a, F b, const Q8Row& row, int block) {
    const Scale s = scale_for(reduce_max(max(abs(a), abs(b))));
    const uint32_t sum = quantize_values(a, b, s.inverse, row.q + block * kBlock);
    row.scale[block] = s.scale;
    row.correction[block] = static_cast<int32_t>(sum * (0u - 128u));
}

/// Quant::Group: 128 values, 16 per vector.
inline void quantize_group(const F (&x)[2 * kGroupBlocks], const Q8Row& row, int group) {
    float amax[kGroupBlocks], top = 0.0f;
    for (int b = 0; b < kGroupBlocks; ++b) {
        amax[b] = reduce_max(max(abs(x[2 * b]), abs(x[2 * b + 1])));
        top = amax[b] > top ? amax[b] : top;
    }
    const Scale s = scale_for(top);
    uint32_t sum = 0;
    for (int b = 0; b < kGroupBlocks; ++b) {
        const int block = group * kGroupBlocks + b;
        // 2^steps * amax[b] <= top: exponents differ by that, one less when the fraction is larger
        const uint32_t apart = (float_bits(top) - float_bits(amax[b])) >> 23;
        const uint32_t steps = apart < kGroupSteps ? apart : kGroupSteps;
        const uint32_t shift = kGroupSteps - steps;
        sum += quantize_values(x[2 * b], x[2 * b + 1], s.inverse * bits_float((127 + steps) << 23),
                               row.q + block * kBlock)
               << shift;
        row.shift[block] = static_cast<int32_t>(shift);
    }
    row.scale[group] = s.scale * (1.0f / (1 << kGroupSteps));
    row.correction[group] = static_cast<int32_t>(sum * (0u - 128u));
}

void quantize_rows(const float* x, size_t ldx, int rows, int first, int last, Quant quant,
                   const Q8Rows& out) {
    for (int m = 0; m < rows; ++m) {
        const Q8Row row = q8_row(out, m, quant);
        const float* p = x + static_cast<size_t>(m) * ldx;
        if (quant == Quant::Block) {
            for (int i = first; i < last; i += kBlock)
                quantize_block(load(p + i), load(p + i + 16), row, i / kBlock);
            continue;
        }
        for (int i = first; i < last; i += kGroup) {
            F v[2 * kGroupBlocks];
            for (int j = 0; j < 2 * kGroupBlocks; ++j)
                v[j] = load(p + i + 16 * j);
            quantize_group(v, row, i / kGroup);
        }
    }
}

} // namespace
} // namespace bge::kernels
