// 16 virtual lanes as one 512-bit register. See vec_scalar-inl.h for what each function means.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace bge::kernels {
namespace {

using F = __m512;
using I = __m512i;

inline F load(const float* p) {
    return _mm512_loadu_ps(p);
}
inline void store(float* p, F a) {
    _mm512_storeu_ps(p, a);
}
inline F set1(float x) {
    return _mm512_set1_ps(x);
}
inline F add(F a, F b) {
    return _mm512_add_ps(a, b);
}
inline F sub(F a, F b) {
    return _mm512_sub_ps(a, b);
}
inline F mul(F a, F b) {
    return _mm512_mul_ps(a, b);
}
inline F fma(F a, F b, F c) {
    return _mm512_fmadd_ps(a, b, c);
}
inline F max(F a, F b) {
    return _mm512_max_ps(a, b);
}
inline F min(F a, F b) {
    return _mm512_min_ps(a, b);
}
inline F abs(F a) {
    return _mm512_abs_ps(a);
}
inline F keep_where_ge(F a, F b, F limit) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(b, limit, _CMP_GE_OQ), a);
}
inline F keep_first(F a, int n, F other) {
    const auto mask = static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << (n > 0 ? n : 0)) - 1u);
    return _mm512_mask_blend_ps(mask, other, a);
}
inline __m256 high_half(F a) {
    return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
}
inline float reduce_add(F a) {
    const __m256 x = _mm256_add_ps(_mm512_castps512_ps256(a), high_half(a));
    const __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 z = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}
inline float reduce_max(F a) {
    const __m256 x = _mm256_max_ps(_mm512_castps512_ps256(a), high_half(a));
    const __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 z = _mm_max_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}

inline I iset1(int32_t x) {
    return _mm512_set1_epi32(x);
}
inline I iadd(I a, I b) {
    return _mm512_add_epi32(a, b);
}
inline I magnitude_bits(F a) {
    return _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7fffffff));
}
inline I imax(I a, I b) {
    return _mm512_max_epi32(a, b);
}
inline int32_t ireduce_max(I a) {
    const __m256i x = _mm256_max_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
    const __m128i y = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    const __m128i z = _mm_max_epi32(y, _mm_unpackhi_epi64(y, y));
    return _mm_cvtsi128_si32(_mm_max_epi32(z, _mm_shuffle_epi32(z, 1)));
}
inline void store_bits(float* p, I a) {
    _mm512_storeu_si512(p, a);
}
inline int32_t ireduce_add(I a) {
    const __m256i x = _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
    const __m128i y = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    const __m128i z = _mm_add_epi32(y, _mm_unpackhi_epi64(y, y));
    return _mm_cvtsi128_si32(_mm_add_epi32(z, _mm_shuffle_epi32(z, 1)));
}

// Eight vectors at once, by the same tree (quantize.h has it for any number).
/// Lane i of the result (0 to 7) is a[i] reduced: each step halves two vectors into one.
template <class Op> inline F reduce8(const F (&a)[8], Op op) {
    F half[4], quarter[2];
    for (int i = 0; i < 4; ++i) // lanes + 8
        half[i] = op(_mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0x44),
                     _mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0xee));
    for (int i = 0; i < 2; ++i) // lanes + 4
        quarter[i] = op(_mm512_shuffle_f32x4(half[2 * i], half[2 * i + 1], 0x88),
                        _mm512_shuffle_f32x4(half[2 * i], half[2 * i + 1], 0xdd));
    const F pair = op(_mm512_shuffle_ps(quarter[0], quarter[1], 0x44), // lanes + 2
                      _mm512_shuffle_ps(quarter[0], quarter[1], 0xee));
    const F one = op(_mm512_shuffle_ps(pair, pair, 0x88), _mm512_shuffle_ps(pair, pair, 0xdd));
    // 0 4 . . 1 5 . . 2 6 . . 3 7
    const I order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
    return _mm512_permutexvar_ps(order, one);
}
inline void reduce_add(const F (&a)[8], float (&out)[8]) {
    const F sum = reduce8(a, [](F x, F y) { return _mm512_add_ps(x, y); });
    _mm256_storeu_ps(out, _mm512_castps512_ps256(sum));
}
inline void reduce_max(const F (&a)[8], float (&out)[8]) {
    const F most = reduce8(a, [](F x, F y) { return _mm512_max_ps(x, y); });
    _mm256_storeu_ps(out, _mm512_castps512_ps256(most));
}
inline void ireduce_add(const I (&a)[8], int32_t (&out)[8]) {
    F floats[8];
    for (int i = 0; i < 8; ++i)
        floats[i] = _mm512_castsi512_ps(a[i]);
    const F sum = reduce8(floats, [](F x, F y) {
        return _mm512_castsi512_ps(
            _mm512_add_epi32(_mm512_castps_si512(x), _mm512_castps_si512(y)));
    });
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm512_castsi512_si256(_mm512_castps_si512(sum)));
}
inline F to_float(I a) {
    return _mm512_cvtepi32_ps(a);
}
inline I to_int(F a) {
    return _mm512_cvtps_epi32(a);
}
inline F round_even(F a) {
    return _mm512_roundscale_ps(a, 8);
} // nearest even, no exception
inline F scale2(F a, F n) {
    return _mm512_scalef_ps(a, n);
}
inline void store_i8(int8_t* p, I a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a));
}
inline F load_bf16(const uint16_t* p) {
    const __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
inline F load_f16(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

constexpr bool kUnsignedWeights = true;
using Weights = __m512i;
using Act = __m512i;
inline Weights load_weights(const uint8_t* p) {
    return _mm512_loadu_si512(p);
}
inline Act broadcast4(const uint8_t* p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return _mm512_set1_epi32(x);
}
inline I dot4(I acc, Weights w, Act a) {
    return _mm512_dpbusd_epi32(acc, w, a);
}

inline void store_f16(uint16_t* p, F a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(a, 8)); // nearest even
}
inline void store_i16(int16_t* p, I a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(a));
}
inline void store_pairs(uint32_t* p, I even, I odd) {
    _mm512_storeu_si512(p, _mm512_mask_blend_epi16(0xaaaaaaaau, even, _mm512_slli_epi32(odd, 16)));
}
using Pair = __m512i;
using LeftPair = __m512i;
inline Pair load_pair(const void* p) {
    return _mm512_loadu_si512(p);
}
inline LeftPair broadcast_pair(const void* p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return _mm512_set1_epi32(x);
}
inline Pair multiply_fixed(Pair a, LeftPair b) {
    return _mm512_mulhrs_epi16(a, b);
}
inline I dot_fixed(I even, I odd, Pair scale) {
    const I pair = _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_srai_epi32(even, 4),
                                           _mm512_slli_epi32(odd, 12));
    return _mm512_madd_epi16(pair, scale);
}
/// What a loop carries: as __m512i, which has 64-bit lanes, GCC 12 would keep a copy in memory.
using Sum = int32_t __attribute__((vector_size(64)));
inline Sum zero_sum() {
    return Sum{};
}
inline Sum dot_pair(Sum acc, LeftPair a, Pair b) {
    return reinterpret_cast<Sum>(_mm512_dpwssd_epi32(reinterpret_cast<I>(acc), a, b));
}
inline F to_float(Sum a) {
    return to_float(reinterpret_cast<I>(a));
}

// 8 x 16 (4 x 32 of few rows): 16 integer and 8 float accumulators, the weights, a broadcast.
constexpr int kQ8Rows = 8;
constexpr int q8_vectors(int rows) {
    return rows <= 4 ? 2 : 1;
}
// 6 x 32: 12 integer and 12 float accumulators, 2 weight vectors, a broadcast: 27 of 32 registers.
constexpr int kGemmRows = 6, kGemmVectors = 2, kAttentionRows = 6, kAttentionVectors = 4;

} // namespace
} // namespace bge::kernels
