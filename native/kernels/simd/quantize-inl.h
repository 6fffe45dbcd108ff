// Floats to int8 in blocks of 32. Needs a vec_*-inl.h and a dot*-inl.h before it.
#pragma once

#include "../kernels.h"

namespace bge::kernels {
namespace {

/// Where the first block of row m lies, and where in it what is.
inline uint8_t* q8_row(const Q8Rows& rows, int m) {
    return rows.data + static_cast<size_t>(m / kTileRows) * q8_tile_bytes(rows.k) +
           static_cast<size_t>(m % kTileRows) * kStep;
}
constexpr size_t kQ8Step = kTileRows * kStep, kQ8Start = kTileRows * kBlock,
                 kQ8Scale = kQ8Start + (kStep == 4 ? kQ8Step : 4);

template <class T> inline T read(const uint8_t* p) {
    T x;
    std::memcpy(&x, p, sizeof x);
    return x;
}
template <class T> inline void write(uint8_t* p, T x) {
    std::memcpy(p, &x, sizeof x);
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

/// Several vectors to a number each. A vec_*-inl.h may have something faster for eight.
template <int N> inline void reduce_add(const F (&a)[N], float (&out)[N]) {
    for (int i = 0; i < N; ++i)
        out[i] = reduce_add(a[i]);
}
template <int N> inline void reduce_max(const F (&a)[N], float (&out)[N]) {
    for (int i = 0; i < N; ++i)
        out[i] = reduce_max(a[i]);
}
template <int N> inline void ireduce_add(const I (&a)[N], int32_t (&out)[N]) {
    for (int i = 0; i < N; ++i)
        out[i] = ireduce_add(a[i]);
}

/// A scale, and what to multiply values with.
struct Scale {
    float scale, inverse;
};
inline Scale scale_for(float amax) {
    const bool some = amax >= 0x1p-100f; // below, 127 / amax could overflow
    return {some ? amax * (1.0f / 127.0f) : 0.0f, some ? 127.0f / amax : 0.0f};
}

/// Blocks of 32 values to int8. max|x| / 127 only says what they are rounded to: the scale that is
/// kept is the one with which these int8 come nearest to the values (least squares), which takes
/// away what the rounding errors have in common with them, on average one part in 32 of their
/// square. NaN rounds to INT32_MIN or to 0: nonsense, but sums of it are unsigned and so not
/// undefined, and the scale is NaN. N blocks at a time, because what takes the time is reducing
/// vectors to one number. @param to where each block lies
template <int N>
inline void quantize_blocks(const F (&a)[N], const F (&b)[N], uint8_t* const (&to)[N]) {
    F most[N], xq[N], qq[N];
    I sum[N];
    float amax[N], inverse[N], scale[N], dot[N], square[N];
    int32_t total[N];
    for (int i = 0; i < N; ++i)
        most[i] = max(abs(a[i]), abs(b[i]));
    reduce_max(most, amax);
    for (int i = 0; i < N; ++i) {
        const Scale s = scale_for(amax[i]);
        scale[i] = s.scale;
        inverse[i] = s.inverse;
    }
    for (int i = 0; i < N; ++i) {
        const F factor = set1(inverse[i]), x = mul(a[i], factor), y = mul(b[i], factor);
        const I qa = to_int(x), qb = to_int(y);
        const F fa = to_float(qa), fb = to_float(qb);
        xq[i] = fma(x, fa, mul(y, fb));
        qq[i] = fma(fa, fa, mul(fb, fb));
        sum[i] = iadd(qa, qb);
        int8_t q[kBlock];
        store_i8(q, qa);
        store_i8(q + 16, qb);
        for (size_t step = 0; step < kBlock / kStep; ++step)
            std::memcpy(to[i] + step * kQ8Step, q + step * kStep, kStep);
    }
    reduce_add(xq, dot);
    reduce_add(qq, square);
    ireduce_add(sum, total);
    for (int i = 0; i < N; ++i) {
        write(to[i] + kQ8Start, 0u - static_cast<uint32_t>(total[i]) * 128u);
        // all int8 are zero: so is dot, or NaN where a value was not finite
        write(to[i] + kQ8Scale, square[i] > 0 ? scale[i] * (dot[i] / square[i]) : dot[i]);
    }
}
inline void quantize_block(F a, F b, uint8_t* row, int block) {
    const F as[1] = {a}, bs[1] = {b};
    uint8_t* const to[1] = {row + static_cast<size_t>(block) * kQ8TileBlockBytes};
    quantize_blocks(as, bs, to);
}

inline void quantize_row(const float* x, const Q8Rows& out, int m) {
    uint8_t* to = q8_row(out, m);
    int i = 0;
    for (; i + 8 * kBlock <= out.k; i += 8 * kBlock) {
        F a[8], b[8];
        uint8_t* blocks[8];
        for (int j = 0; j < 8; ++j, to += kQ8TileBlockBytes) {
            a[j] = load(x + i + j * kBlock);
            b[j] = load(x + i + j * kBlock + 16);
            blocks[j] = to;
        }
        quantize_blocks(a, b, blocks);
    }
    for (; i < out.k; i += kBlock, to += kQ8TileBlockBytes)
        quantize_block(load(x + i), load(x + i + 16), to, 0);
}

void quantize_rows(const float* x, size_t ldx, int m0, int m1, const Q8Rows& out) {
    for (int m = m0; m < m1; ++m)
        quantize_row(x + static_cast<size_t>(m) * ldx, out, m);
}

/// x in [0, 32767.5) to the nearest whole number, ties to even; anything else to nonsense.
inline uint32_t fixed_scale(float x) {
    constexpr float kRound = 8388608.0f; // 2^23: no fraction is left
    return float_bits(x + kRound) & 0x7fffu;
}

/// All rows of a tile, also those that are not there.
void fix_tile(const uint8_t* tile, int blocks, uint8_t* out) {
    const auto at = [&](int block, size_t part, int i) {
        return tile + static_cast<size_t>(block) * kQ8TileBlockBytes + part +
               static_cast<size_t>(i) * kStep;
    };
    const auto scale_at = [&](int block, int i) { return at(block, kQ8Scale, i); };
    // Scales are not negative: their bits order like integers, NaN (of either sign) above all.
    int32_t most[kTileRows] = {};
    for (int b = 0; b < blocks; ++b)
        for (int i = 0; i < kTileRows; ++i) {
            const int32_t size = read<int32_t>(scale_at(b, i)) & 0x7fffffff;
            most[i] = most[i] > size ? most[i] : size;
        }
    float inverse[kTileRows];
    for (int i = 0; i < kTileRows; ++i) {
        const float top = bits_float(static_cast<uint32_t>(most[i]));
        inverse[i] = top >= 0x1p-100f ? 32767.0f / top : 0.0f;
    }
    for (int b = 0; b < blocks; b += 2) {
        for (int half = 0; half < 2; ++half)
            for (int i = 0; i < kTileRows; ++i, out += 4) // 8: so that losing four bits is rounding
                write(out, read<int32_t>(at(b + half, kQ8Start, i)) + 8);
        for (int i = 0; i < kTileRows; ++i, out += 4)
            write(out, fixed_scale(read<float>(scale_at(b, i)) * inverse[i]) |
                           fixed_scale(read<float>(scale_at(b + 1, i)) * inverse[i]) << 16);
    }
    for (int i = 0; i < kTileRows; ++i, out += 4) // sums are multiples of 2^4 * 2^15 / 32767^2
        write(out, bits_float(static_cast<uint32_t>(most[i])) * (524288.0f / 32767.0f));
}

void fix_scales(const Q8Rows& rows, int m0, int m1, uint8_t* out) {
    for (int m = m0; m < m1; m += kTileRows, out += fixed_scales_bytes(kTileRows, rows.k))
        fix_tile(q8_row(rows, m), rows.k / kBlock, out);
}

} // namespace
} // namespace bge::kernels
