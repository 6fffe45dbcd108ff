// 16 virtual lanes as two 256-bit registers. See vec_scalar-inl.h for what each function means.
// With BGE_VNNI the integer dot product is one instruction; otherwise three.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace bge::kernels {
namespace {

struct F {
    __m256 a, b;
};
struct I {
    __m256i a, b;
};

inline F load(const float* p) {
    return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
inline void store(float* p, F x) {
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}
inline F set1(float x) {
    return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
inline F add(F x, F y) {
    return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
inline F sub(F x, F y) {
    return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}
inline F mul(F x, F y) {
    return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
inline F fma(F x, F y, F z) {
    return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline F max(F x, F y) {
    return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}
inline F min(F x, F y) {
    return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}
inline F abs(F x) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
inline F keep_where_ge(F x, F y, F limit) {
    return {_mm256_and_ps(x.a, _mm256_cmp_ps(y.a, limit.a, _CMP_GE_OQ)),
            _mm256_and_ps(x.b, _mm256_cmp_ps(y.b, limit.b, _CMP_GE_OQ))};
}
inline F keep_first(F x, int n, F other) {
    const __m256i low = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i limit = _mm256_set1_epi32(n);
    const __m256i high = _mm256_add_epi32(low, _mm256_set1_epi32(8));
    const __m256 ma = _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, low));
    const __m256 mb = _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, high));
    return {_mm256_blendv_ps(other.a, x.a, ma), _mm256_blendv_ps(other.b, x.b, mb)};
}
inline float reduce_add(F v) {
    const __m256 x = _mm256_add_ps(v.a, v.b);
    const __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 z = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}
inline float reduce_max(F v) {
    const __m256 x = _mm256_max_ps(v.a, v.b);
    const __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 z = _mm_max_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}

inline I iset1(int32_t x) {
    return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
inline I iadd(I x, I y) {
    return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}
inline I magnitude_bits(F x) {
    const __m256i mask = _mm256_set1_epi32(0x7fffffff);
    return {_mm256_and_si256(_mm256_castps_si256(x.a), mask),
            _mm256_and_si256(_mm256_castps_si256(x.b), mask)};
}
inline I imax(I x, I y) {
    return {_mm256_max_epi32(x.a, y.a), _mm256_max_epi32(x.b, y.b)};
}
inline int32_t ireduce_max(I v) {
    const __m256i x = _mm256_max_epi32(v.a, v.b);
    const __m128i y = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    const __m128i z = _mm_max_epi32(y, _mm_unpackhi_epi64(y, y));
    return _mm_cvtsi128_si32(_mm_max_epi32(z, _mm_shuffle_epi32(z, 1)));
}
inline void store_bits(float* p, I x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), x.b);
}
inline int32_t ireduce_add(I v) {
    const __m256i x = _mm256_add_epi32(v.a, v.b);
    const __m128i y = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    const __m128i z = _mm_add_epi32(y, _mm_unpackhi_epi64(y, y));
    return _mm_cvtsi128_si32(_mm_add_epi32(z, _mm_shuffle_epi32(z, 1)));
}
inline F to_float(I x) {
    return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}
inline I to_int(F x) {
    return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)};
}
inline F round_even(F x) {
    return {_mm256_round_ps(x.a, 8), _mm256_round_ps(x.b, 8)};
}
inline __m256 scale2(__m256 x, __m256 n) {
    const __m256i steps = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), steps));
}
inline F scale2(F x, F n) {
    return {scale2(x.a, n.a), scale2(x.b, n.b)};
}
inline void store_i8(int8_t* p, I x) {
    const __m256i w = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1)));
}

/// What does not fit saturates.
inline void store_i16(int16_t* p, I x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8));
}
inline void store_f16(uint16_t* p, F x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.a, 0)); // nearest even
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(x.b, 0));
}
inline __m256 widen_bf16(const uint16_t* p) {
    const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
inline F load_bf16(const uint16_t* p) {
    return {widen_bf16(p), widen_bf16(p + 8)};
}
inline F load_f16(const uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}

using Act = __m256i;
inline Act broadcast4(const uint8_t* p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
}
inline __m256i load256(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
#ifdef BGE_VNNI
constexpr bool kUnsignedWeights = true;
struct Weights {
    __m256i a, b;
};
inline Weights load_weights(const uint8_t* p) {
    return {load256(p), load256(p + 32)};
}
inline __m256i dpbusd(__m256i acc, __m256i w, __m256i x) {
#ifdef __AVXVNNI__
    return _mm256_dpbusd_avx_epi32(acc, w, x);
#else
    return _mm256_dpbusd_epi32(acc, w, x);
#endif
}
inline I dot4(I acc, const Weights& w, Act x) {
    return {dpbusd(acc.a, w.a, x), dpbusd(acc.b, w.b, x)};
}
#else
// u8 x s8 pairs would overflow their 16 bits, so the weight's sign moves to the activation:
// |w| * (sign(w) * x) <= 2 * 128 * 127 fits.
constexpr bool kUnsignedWeights = false;
struct Weights {
    __m256i a, b, abs_a, abs_b;
};
inline Weights load_weights(const uint8_t* p) {
    const __m256i a = load256(p), b = load256(p + 32);
    return {a, b, _mm256_abs_epi8(a), _mm256_abs_epi8(b)};
}
inline __m256i dot_signed(__m256i acc, __m256i w, __m256i abs_w, __m256i x) {
    const __m256i pairs = _mm256_maddubs_epi16(abs_w, _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline I dot4(I acc, const Weights& w, Act x) {
    return {dot_signed(acc.a, w.a, w.abs_a, x), dot_signed(acc.b, w.b, w.abs_b, x)};
}
#endif

struct Pair {
    __m256i a, b;
};
using LeftPair = __m256i;
inline Pair load_pair(const void* p) {
    const auto* q = static_cast<const uint8_t*>(p);
    return {load256(q), load256(q + 32)};
}
inline LeftPair broadcast_pair(const void* p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
}
inline __m256i dot_pair(__m256i acc, __m256i x, __m256i y) {
#if defined(__AVXVNNI__)
    return _mm256_dpwssd_avx_epi32(acc, x, y);
#elif defined(BGE_VNNI)
    return _mm256_dpwssd_epi32(acc, x, y);
#else
    return _mm256_add_epi32(acc, _mm256_madd_epi16(x, y));
#endif
}
inline Pair multiply_fixed(const Pair& x, LeftPair y) {
    return {_mm256_mulhrs_epi16(x.a, y), _mm256_mulhrs_epi16(x.b, y)};
}
inline __m256i dot_fixed(__m256i even, __m256i odd, __m256i scale) {
    const __m256i pair =
        _mm256_blend_epi16(_mm256_srai_epi32(even, 4), _mm256_slli_epi32(odd, 12), 0xaa);
    return _mm256_madd_epi16(pair, scale);
}
inline I dot_fixed(I even, I odd, const Pair& scale) {
    return {dot_fixed(even.a, odd.a, scale.a), dot_fixed(even.b, odd.b, scale.b)};
}
using Sum = I;
inline Sum zero_sum() {
    return iset1(0);
}
inline Sum dot_pair(Sum acc, LeftPair x, const Pair& y) {
    return {dot_pair(acc.a, x, y.a), dot_pair(acc.b, x, y.b)};
}
inline void store_pairs(uint32_t* p, I even, I odd) {
    const auto join = [](__m256i x, __m256i y) {
        return _mm256_blend_epi16(x, _mm256_slli_epi32(y, 16), 0xaa);
    };
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), join(even.a, odd.a));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), join(even.b, odd.b));
}

// 4 x 16: 8 integer accumulators, the weights, a broadcast: the float ones live in the first-level
// cache and are touched once per 32 k.
constexpr int kQ8Rows = 4;
constexpr int q8_vectors(int) {
    return 1;
}
constexpr int kGemmRows = 4, kGemmVectors = 1, kAttentionRows = 4, kAttentionVectors = 1;

} // namespace
} // namespace bge::kernels
