// 16 virtual lanes in plain C++: the reference that the other vec_*-inl.h must equal bit for bit.
// Included by one translation unit only; everything is in an anonymous namespace so that nothing
// compiled for one ISA can be linked into another.
#pragma once

// Sixteen lanes are no register here. With them unrolled the table was a megabyte that compiled for
// a minute and a half; as loops they are vectorized, and faster.
#define BGE_LANES_ARE_LOOPS

#include <cmath>
#include <cstdint>
#include <cstring>

#include "unroll-inl.h"

namespace bge::kernels {
namespace {

struct F {
    float v[16];
};
struct I {
    int32_t v[16];
};

template <class Fn> inline F map(Fn fn) {
    F r;
    BGE_ROLLED
    for (int i = 0; i < 16; ++i)
        r.v[i] = fn(i);
    return r;
}
template <class Fn> inline I imap(Fn fn) {
    I r;
    BGE_ROLLED
    for (int i = 0; i < 16; ++i)
        r.v[i] = fn(i);
    return r;
}
template <class To, class From> inline To bits(From x) {
    To y;
    std::memcpy(&y, &x, sizeof(y));
    return y;
}

inline F load(const float* p) {
    F r;
    std::memcpy(&r, p, sizeof(r));
    return r;
}
inline void store(float* p, F a) {
    std::memcpy(p, &a, sizeof(a));
}
inline F set1(float x) {
    return map([&](int) { return x; });
}
inline F add(F a, F b) {
    return map([&](int i) { return a.v[i] + b.v[i]; });
}
inline F sub(F a, F b) {
    return map([&](int i) { return a.v[i] - b.v[i]; });
}
inline F mul(F a, F b) {
    return map([&](int i) { return a.v[i] * b.v[i]; });
}
inline F fma(F a, F b, F c) {
    return map([&](int i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
}
inline F max(F a, F b) {
    return map([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline F min(F a, F b) {
    return map([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline F abs(F a) {
    return map([&](int i) { return std::fabs(a.v[i]); });
}
/// b >= limit ? a : 0
inline F keep_where_ge(F a, F b, F limit) {
    return map([&](int i) { return b.v[i] >= limit.v[i] ? a.v[i] : 0.0f; });
}
/// Lanes i < n of a; the others are `other`.
inline F keep_first(F a, int n, F other) {
    return map([&](int i) { return i < n ? a.v[i] : other.v[i]; });
}
inline float reduce_add(F a) {
    for (int step = 8; step; step /= 2)
        for (int i = 0; i < step; ++i)
            a.v[i] = a.v[i] + a.v[i + step];
    return a.v[0];
}
inline float reduce_max(F a) {
    for (int step = 8; step; step /= 2)
        for (int i = 0; i < step; ++i)
            a.v[i] = a.v[i] > a.v[i + step] ? a.v[i] : a.v[i + step];
    return a.v[0];
}

inline I iset1(int32_t x) {
    return imap([&](int) { return x; });
}
/// Integer sums wrap, as the processors' do.
inline I iadd(I a, I b) {
    return imap([&](int i) {
        return static_cast<int32_t>(static_cast<uint32_t>(a.v[i]) + static_cast<uint32_t>(b.v[i]));
    });
}
/// |a| as integers: ordered as the numbers are, NaN above all.
inline I magnitude_bits(F a) {
    return imap([&](int i) { return static_cast<int32_t>(bits<uint32_t>(a.v[i]) & 0x7fffffffu); });
}
inline I imax(I a, I b) {
    return imap([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline int32_t ireduce_max(I a) {
    int32_t top = a.v[0];
    for (int i = 1; i < 16; ++i)
        top = top > a.v[i] ? top : a.v[i];
    return top;
}
/// Bits of floats, as floats.
inline void store_bits(float* p, I a) {
    std::memcpy(p, a.v, 64);
}
inline int32_t ireduce_add(I a) {
    uint32_t sum = 0;
    for (int i = 0; i < 16; ++i)
        sum += static_cast<uint32_t>(a.v[i]);
    return static_cast<int32_t>(sum);
}
inline F to_float(I a) {
    return map([&](int i) { return static_cast<float>(a.v[i]); });
}
/// Nearest, ties to even; like the processors' conversion, what does not fit becomes INT_MIN.
inline I to_int(F a) {
    return imap([&](int i) {
        const float r = std::nearbyintf(a.v[i]);
        return r >= -2147483648.0f && r < 2147483648.0f ? static_cast<int32_t>(r) : INT32_MIN;
    });
}
inline F round_even(F a) {
    return map([&](int i) { return std::nearbyintf(a.v[i]); });
}
/// a * 2^n for integral n and results that stay normal.
inline F scale2(F a, F n) {
    return map([&](int i) {
        const auto steps = static_cast<uint32_t>(static_cast<int32_t>(n.v[i]));
        return bits<float>(bits<uint32_t>(a.v[i]) + (steps << 23));
    });
}
/// 16 values in [-127, 127] as int8.
inline void store_i8(int8_t* p, I a) {
    for (int i = 0; i < 16; ++i)
        p[i] = static_cast<int8_t>(a.v[i]);
}

/// 16 values as int16; what does not fit becomes nonsense, a different one on each processor.
inline void store_i16(int16_t* p, I a) {
    for (int i = 0; i < 16; ++i)
        p[i] = static_cast<int16_t>(a.v[i]);
}
/// Nearest, ties to even; what is too large becomes infinite, NaN stays NaN.
inline uint16_t float_to_half(float x) {
    const uint32_t u = bits<uint32_t>(x), magnitude = u & 0x7fffffffu;
    const auto sign = static_cast<uint16_t>((u >> 16) & 0x8000u);
    const auto with_sign = [&](uint32_t h) { return static_cast<uint16_t>(sign | h); };
    if (magnitude > 0x7f800000u)
        return with_sign(0x7e00u | ((magnitude >> 13) & 0x3ffu));
    if (magnitude >= 0x477ff000u) // rounds to 65536 or more
        return with_sign(0x7c00u);
    if (magnitude < 0x38800000u) // denormal: in units of 2^-24
        return with_sign(static_cast<uint32_t>(std::nearbyintf(bits<float>(magnitude) * 0x1p24f)));
    const uint32_t odd = (magnitude >> 13) & 1u;
    return with_sign((magnitude + 0xfffu + odd - (112u << 23)) >> 13);
}
inline void store_f16(uint16_t* p, F a) {
    for (int i = 0; i < 16; ++i)
        p[i] = float_to_half(a.v[i]);
}
inline F load_bf16(const uint16_t* p) {
    return map([&](int i) { return bits<float>(static_cast<uint32_t>(p[i]) << 16); });
}
inline float half_to_float(uint16_t h) {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
    const uint32_t exponent = (h >> 10) & 31u, fraction = h & 1023u;
    if (exponent == 0) // zero and denormals: fraction * 2^-24, exact
        return bits<float>(sign | bits<uint32_t>(static_cast<float>(fraction) * 0x1p-24f));
    if (exponent == 31)
        return bits<float>(sign | 0x7f800000u | (fraction << 13));
    return bits<float>(sign | ((exponent + 112u) << 23) | (fraction << 13));
}
inline F load_f16(const uint16_t* p) {
    return map([&](int i) { return half_to_float(p[i]); });
}

// Integer dot products: 16 channels x 4 consecutive k, signed bytes.
constexpr bool kUnsignedWeights = false;
struct Weights {
    int8_t v[64];
};
struct Act {
    int8_t v[4];
};
inline Weights load_weights(const uint8_t* p) {
    Weights w;
    std::memcpy(&w, p, 64);
    return w;
}
inline Act broadcast4(const uint8_t* p) {
    Act a;
    std::memcpy(&a, p, 4);
    return a;
}
inline I dot4(I acc, const Weights& w, Act a) {
    return imap([&](int i) {
        int32_t sum = acc.v[i];
        for (int j = 0; j < 4; ++j)
            sum += static_cast<int32_t>(w.v[i * 4 + j]) * a.v[j];
        return sum;
    });
}

// Integer dot products of pairs: 16 lanes x 2 int16, the even one in the low half.
struct Pair {
    uint32_t v[16];
};
using LeftPair = uint32_t;
inline Pair load_pair(const void* p) {
    Pair r;
    std::memcpy(&r, p, 64);
    return r;
}
inline LeftPair broadcast_pair(const void* p) {
    uint32_t x;
    std::memcpy(&x, p, 4);
    return x;
}
inline uint32_t times(uint32_t a, uint32_t b) { // of the low halves
    return static_cast<uint32_t>(static_cast<int16_t>(a) * static_cast<int16_t>(b));
}
/// Per int16: a * b / 2^15, rounded (a half up); b is not negative.
inline uint32_t multiply_fixed(uint32_t a, uint32_t b) { // of the low halves
    const auto product = static_cast<int32_t>(times(a, b));
    return static_cast<uint32_t>((product + 0x4000) >> 15) & 0xffffu;
}
inline Pair multiply_fixed(const Pair& a, LeftPair b) {
    Pair r;
    for (int i = 0; i < 16; ++i)
        r.v[i] = multiply_fixed(a.v[i], b) | multiply_fixed(a.v[i] >> 16, b >> 16) << 16;
    return r;
}
/// (even >> 4) * scale's even half + (odd >> 4) * its odd one; both sums are below 2^19 in size.
inline I dot_fixed(I even, I odd, const Pair& scale) {
    return imap([&](int i) {
        return static_cast<int32_t>(times(static_cast<uint32_t>(even.v[i] >> 4), scale.v[i]) +
                                    times(static_cast<uint32_t>(odd.v[i] >> 4), scale.v[i] >> 16));
    });
}
using Sum = I;
inline Sum zero_sum() {
    return iset1(0);
}
inline Sum dot_pair(Sum acc, LeftPair a, const Pair& b) {
    return imap([&](int i) {
        return static_cast<int32_t>(static_cast<uint32_t>(acc.v[i]) + times(a, b.v[i]) +
                                    times(a >> 16, b.v[i] >> 16));
    });
}
inline void store_pairs(uint32_t* p, I even, I odd) {
    for (int i = 0; i < 16; ++i)
        p[i] = (static_cast<uint32_t>(even.v[i]) & 0xffffu) | static_cast<uint32_t>(odd.v[i]) << 16;
}

constexpr int kQ8Rows = 1;
constexpr int q8_vectors(int) {
    return 2;
}
constexpr int kGemmRows = 4, kGemmVectors = 2, kAttentionRows = 4, kAttentionVectors = 2;

} // namespace
} // namespace bge::kernels
