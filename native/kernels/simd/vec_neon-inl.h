// 16 virtual lanes as four 128-bit registers (Armv8.2 with dotprod). See vec_scalar-inl.h for what
// each function means. Maxima and minima are written as compare-and-select: NEON's own treat NaN
// and signed zero differently from the other ISAs.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "unroll-inl.h"

namespace bge::kernels {
namespace {

struct F {
    float32x4_t v[4];
};
struct I {
    int32x4_t v[4];
};

template <class Fn> inline F map(Fn fn) {
    F r;
    BGE_UNROLL
    for (int i = 0; i < 4; ++i)
        r.v[i] = fn(i);
    return r;
}
template <class Fn> inline I imap(Fn fn) {
    I r;
    BGE_UNROLL
    for (int i = 0; i < 4; ++i)
        r.v[i] = fn(i);
    return r;
}

inline F load(const float* p) {
    return map([&](int i) { return vld1q_f32(p + 4 * i); });
}
inline void store(float* p, F a) {
    BGE_UNROLL
    for (int i = 0; i < 4; ++i)
        vst1q_f32(p + 4 * i, a.v[i]);
}
inline F set1(float x) {
    return map([&](int) { return vdupq_n_f32(x); });
}
inline F add(F a, F b) {
    return map([&](int i) { return vaddq_f32(a.v[i], b.v[i]); });
}
inline F sub(F a, F b) {
    return map([&](int i) { return vsubq_f32(a.v[i], b.v[i]); });
}
inline F mul(F a, F b) {
    return map([&](int i) { return vmulq_f32(a.v[i], b.v[i]); });
}
inline F fma(F a, F b, F c) {
    return map([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
}
inline F max(F a, F b) {
    return map([&](int i) { return vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
}
inline F min(F a, F b) {
    return map([&](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
}
inline F abs(F a) {
    return map([&](int i) { return vabsq_f32(a.v[i]); });
}
inline float32x4_t masked(float32x4_t a, uint32x4_t mask) {
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), mask));
}
inline F keep_where_ge(F a, F b, F limit) {
    return map([&](int i) { return masked(a.v[i], vcgeq_f32(b.v[i], limit.v[i])); });
}
inline F keep_first(F a, int n, F other) {
    static constexpr int32_t kLanes[4] = {0, 1, 2, 3};
    const int32x4_t lanes = vld1q_s32(kLanes);
    return map([&](int i) {
        return vbslq_f32(vcltq_s32(lanes, vdupq_n_s32(n - 4 * i)), a.v[i], other.v[i]);
    });
}
inline float lane(float32x4_t a, int i) {
    float t[4];
    vst1q_f32(t, a);
    return t[i];
}
inline float reduce_add(F a) {
    const float32x4_t x =
        vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3])); // lanes + 8, then + 4
    const float32x2_t y = vadd_f32(vget_low_f32(x), vget_high_f32(x));
    return vget_lane_f32(y, 0) + vget_lane_f32(y, 1);
}
inline float reduce_max(F a) {
    const auto greater = [](float32x4_t x, float32x4_t y) {
        return vbslq_f32(vcgtq_f32(x, y), x, y);
    };
    const float32x4_t x = greater(greater(a.v[0], a.v[2]), greater(a.v[1], a.v[3]));
    const float p = lane(x, 0) > lane(x, 2) ? lane(x, 0) : lane(x, 2);
    const float q = lane(x, 1) > lane(x, 3) ? lane(x, 1) : lane(x, 3);
    return p > q ? p : q;
}

inline I iset1(int32_t x) {
    return imap([&](int) { return vdupq_n_s32(x); });
}
inline I iadd(I a, I b) {
    return imap([&](int i) { return vaddq_s32(a.v[i], b.v[i]); });
}
inline I magnitude_bits(F a) {
    return imap(
        [&](int i) { return vandq_s32(vreinterpretq_s32_f32(a.v[i]), vdupq_n_s32(0x7fffffff)); });
}
inline I imax(I a, I b) {
    return imap([&](int i) { return vmaxq_s32(a.v[i], b.v[i]); });
}
inline int32_t ireduce_max(I a) {
    return vmaxvq_s32(vmaxq_s32(vmaxq_s32(a.v[0], a.v[1]), vmaxq_s32(a.v[2], a.v[3])));
}
inline void store_bits(float* p, I a) {
    BGE_UNROLL
    for (int i = 0; i < 4; ++i)
        vst1q_f32(p + 4 * i, vreinterpretq_f32_s32(a.v[i]));
}
inline int32_t ireduce_add(I a) {
    return vaddvq_s32(vaddq_s32(vaddq_s32(a.v[0], a.v[1]), vaddq_s32(a.v[2], a.v[3])));
}
inline F to_float(I a) {
    return map([&](int i) { return vcvtq_f32_s32(a.v[i]); });
}
inline I to_int(F a) {
    return imap([&](int i) { return vcvtnq_s32_f32(a.v[i]); });
}
inline F round_even(F a) {
    return map([&](int i) { return vrndnq_f32(a.v[i]); });
}
inline F scale2(F a, F n) {
    return map([&](int i) {
        const int32x4_t steps = vshlq_n_s32(vcvtnq_s32_f32(n.v[i]), 23);
        return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a.v[i]), steps));
    });
}
inline void store_i8(int8_t* p, I a) {
    const int16x8_t low = vcombine_s16(vmovn_s32(a.v[0]), vmovn_s32(a.v[1]));
    const int16x8_t high = vcombine_s16(vmovn_s32(a.v[2]), vmovn_s32(a.v[3]));
    vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}

inline void store_i16(int16_t* p, I a) {
    BGE_UNROLL
    for (int i = 0; i < 4; ++i)
        vst1_s16(p + 4 * i, vmovn_s32(a.v[i]));
}
inline void store_f16(uint16_t* p, F a) {
    BGE_UNROLL
    for (int i = 0; i < 4; ++i)
        vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
}
inline F load_bf16(const uint16_t* p) {
    return map([&](int i) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)); });
}
inline F load_f16(const uint16_t* p) {
    return map([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); });
}

constexpr bool kUnsignedWeights = false;
struct Pair {
    int16x8x2_t v[2]; // 8 lanes each: the even ones, the odd ones
};
using LeftPair = int16x4_t;
inline Pair load_pair(const void* p) {
    const auto* q = static_cast<const int16_t*>(p);
    return {{vld2q_s16(q), vld2q_s16(q + 16)}};
}
inline LeftPair broadcast_pair(const void* p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return vreinterpret_s16_s32(vdup_n_s32(x));
}
inline Pair multiply_fixed(const Pair& a, LeftPair b) {
    Pair r;
    BGE_UNROLL
    for (int i = 0; i < 2; ++i) {
        r.v[i].val[0] = vqrdmulhq_lane_s16(a.v[i].val[0], b, 0);
        r.v[i].val[1] = vqrdmulhq_lane_s16(a.v[i].val[1], b, 1);
    }
    return r;
}
inline I dot_fixed(I even, I odd, const Pair& scale) {
    I r;
    BGE_UNROLL
    for (int i = 0; i < 2; ++i) {
        const int16x8_t e = scale.v[i].val[0], o = scale.v[i].val[1];
        const int32x4_t low = vmull_s16(vshrn_n_s32(even.v[2 * i], 4), vget_low_s16(e));
        r.v[2 * i] = vmlal_s16(low, vshrn_n_s32(odd.v[2 * i], 4), vget_low_s16(o));
        const int32x4_t high = vmull_s16(vshrn_n_s32(even.v[2 * i + 1], 4), vget_high_s16(e));
        r.v[2 * i + 1] = vmlal_s16(high, vshrn_n_s32(odd.v[2 * i + 1], 4), vget_high_s16(o));
    }
    return r;
}
using Sum = I;
inline Sum zero_sum() {
    return iset1(0);
}
inline Sum dot_pair(Sum acc, LeftPair a, const Pair& b) {
    BGE_UNROLL
    for (int i = 0; i < 2; ++i) {
        const int16x8_t even = b.v[i].val[0], odd = b.v[i].val[1];
        const int32x4_t low = vmlal_lane_s16(acc.v[2 * i], vget_low_s16(even), a, 0);
        acc.v[2 * i] = vmlal_lane_s16(low, vget_low_s16(odd), a, 1);
        const int32x4_t high = vmlal_high_lane_s16(acc.v[2 * i + 1], even, a, 0);
        acc.v[2 * i + 1] = vmlal_high_lane_s16(high, odd, a, 1);
    }
    return acc;
}
inline void store_pairs(uint32_t* p, I even, I odd) {
    BGE_UNROLL
    for (int i = 0; i < 4; ++i)
        vst1q_u32(p + 4 * i, vreinterpretq_u32_s32(vsliq_n_s32(even.v[i], odd.v[i], 16)));
}

// 4 x 16: 16 of 32 registers hold integer accumulators.
constexpr int kQ8Rows = 4;
constexpr int q8_vectors(int) {
    return 1;
}
constexpr int kGemmRows = 4, kGemmVectors = 1, kAttentionRows = 4, kAttentionVectors = 1;

} // namespace
} // namespace bge::kernels
