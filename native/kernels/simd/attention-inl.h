// softmax(q k^T) v for one head of one sequence, streaming over tiles of kKeyTile keys counted from
// the sequence's first token, so memory is linear and nothing depends on what lies beside it.
//
// All products are of 16-bit integers, and exact: the order of their sums is nobody's business.
// A row of q and a row of k have a scale each, largest / 5792, so that 64 products fit in 32 bits;
// each dimension of v has one over the whole sequence, largest / 4095; p = 2^(score - largest of
// the tile) counts in 16384ths, so that 32 products with v fit. After every 32 keys the integers
// become floats. That is closer to real numbers than bfloat16 would be, and as fast.
#pragma once

#include <cfloat>

#include "../kernels.h"
#include "quantize-inl.h"
#include "unroll-inl.h"

namespace bge::kernels {
namespace {

constexpr int kMaxHeadDim = 64;
constexpr int kKeyPanel = 32;
constexpr float kScoreSteps = 5792;   // 64 * 5792^2 < 2^31
constexpr float kValueSteps = 4095;   // 32 * 4095 * 16384 < 2^31
constexpr float kWeightSteps = 16384; // a power of two

constexpr int padded_keys(int tokens) {
    return (tokens + kKeyPanel - 1) / kKeyPanel * kKeyPanel;
}

/// kWeightSteps * 2^x for x <= 0, nearly zero below -50. Relative error under 3e-6.
inline F weight_of(F x) {
    constexpr float kP[4] = {0.6931241750717163f, 0.24024099111557007f, 0.05590643361210823f,
                             0.009582852944731712f};
    const F c = max(x, set1(-50.0f));
    const F n = round_even(c);
    const F f = sub(c, n);
    F p = fma(set1(kWeightSteps * kP[3]), f, set1(kWeightSteps * kP[2]));
    p = fma(p, f, set1(kWeightSteps * kP[1]));
    p = fma(p, f, set1(kWeightSteps * kP[0]));
    return scale2(fma(p, f, set1(kWeightSteps)), n);
}
/// 2^x for x <= 0.
inline float exp2_scalar(float x) {
    alignas(64) float lanes[16];
    store(lanes, weight_of(set1(x)));
    return lanes[0] * (1.0f / kWeightSteps);
}

/// The scale for values of which the largest has these bits. NaN and infinity make it NaN or
/// infinite, and so every result.
inline Scale scale_of(int32_t largest_bits, float steps) {
    const float largest = bits_float(static_cast<uint32_t>(largest_bits));
    if (largest < 0x1p-100f)
        return {0.0f, 0.0f};
    return {largest / steps, steps / largest};
}

/// d float16 as integers of at most kScoreSteps. @returns their scale
inline float quantize_head(const uint16_t* x, int d, int16_t* out) {
    I top = magnitude_bits(load_f16(x));
    for (int i = 16; i < d; i += 16)
        top = imax(top, magnitude_bits(load_f16(x + i)));
    const Scale s = scale_of(ireduce_max(top), kScoreSteps);
    for (int i = 0; i < d; i += 16)
        store_i16(out + i, to_int(mul(load_f16(x + i), set1(s.inverse))));
    return s.scale;
}

struct PackedHead {
    uint32_t* k;     // [panel of 32 keys][pair of dimensions][key]
    uint32_t* v;     // [pair of keys][dimension]
    float* k_scales; // [key]
    float* v_scales; // [dimension]
};
inline PackedHead packed_head(void* scratch, int tokens, int head_dim) {
    const auto padded = static_cast<size_t>(padded_keys(tokens));
    const size_t words = padded * static_cast<size_t>(head_dim / 2);
    auto* k = static_cast<uint32_t*>(scratch);
    auto* scales = reinterpret_cast<float*>(k + 2 * words);
    return {k, k + words, scales, scales + padded};
}

/// @returns 0, or NaN if a key is not finite: a score that is NaN would not be seen
float pack_keys(const uint16_t* k, size_t ld, int tokens, int d, const PackedHead& packed) {
    const int pairs = d / 2;
    alignas(64) int16_t row[kMaxHeadDim];
    float broken = 0.0f;
    for (int token = 0; token < padded_keys(tokens); ++token) {
        uint32_t* out =
            packed.k +
            static_cast<size_t>(token / kKeyPanel) * static_cast<size_t>(pairs) * kKeyPanel +
            token % kKeyPanel;
        packed.k_scales[token] =
            token < tokens ? quantize_head(k + static_cast<size_t>(token) * ld, d, row) : 0.0f;
        broken += 0.0f * packed.k_scales[token];
        for (int i = 0; i < pairs; ++i) {
            uint32_t pair = 0;
            if (token < tokens)
                std::memcpy(&pair, row + 2 * i, 4);
            out[i * kKeyPanel] = pair;
        }
    }
    return broken;
}

void pack_values(const uint16_t* v, size_t ld, int tokens, int d, float broken,
                 const PackedHead& packed) {
    alignas(64) float inverse[kMaxHeadDim];
    for (int i = 0; i < d; i += 16) {
        I top = iset1(0);
        for (int token = 0; token < tokens; ++token)
            top = imax(top, magnitude_bits(load_f16(v + static_cast<size_t>(token) * ld + i)));
        store_bits(inverse + i, top);
    }
    for (int i = 0; i < d; ++i) {
        const Scale s = scale_of(static_cast<int32_t>(float_bits(inverse[i])), kValueSteps);
        packed.v_scales[i] = s.scale + broken;
        inverse[i] = s.inverse;
    }
    for (int j = 0; j < padded_keys(tokens) / 2; ++j) {
        uint32_t* out = packed.v + static_cast<size_t>(j) * static_cast<size_t>(d);
        const uint16_t* row = v + static_cast<size_t>(2 * j) * ld;
        for (int i = 0; i < d; i += 16) {
            const F factor = load(inverse + i);
            const I even = 2 * j < tokens ? to_int(mul(load_f16(row + i), factor)) : iset1(0);
            const I odd =
                2 * j + 1 < tokens ? to_int(mul(load_f16(row + ld + i), factor)) : iset1(0);
            store_pairs(out + i, even, odd);
        }
    }
}

void attention_pack(const Attention& g, int begin, int end, int head, void* scratch) {
    const int tokens = end - begin, d = g.head_dim;
    const PackedHead packed = packed_head(scratch, tokens, d);
    const size_t first = static_cast<size_t>(begin) * g.ld + static_cast<size_t>(head) * d;
    const float broken = pack_keys(g.k + first, g.ld, tokens, d, packed);
    pack_values(g.v + first, g.ld, tokens, d, broken, packed);
}

/// Working memory of one tile of query rows.
struct alignas(64) QueryTile {
    int16_t q[kAttentionRows][kMaxHeadDim];
    float q_scale[kAttentionRows];
    float scores[kAttentionRows][kKeyTile];
    int16_t p[kAttentionRows][kKeyTile];
    float factor[kAttentionRows]; // what one step of this tile's p is worth
    float out[kAttentionRows][kMaxHeadDim];
    float row_max[kAttentionRows];
    float row_sum[kAttentionRows];
};

/// Products of `pairs` pairs of MR rows, `ld` apart, with 16 * NV lanes; rows of `right` are `step`
/// words apart, and every second vector of a row starts `gap` words after the one two before.
/// take(m, v, sum) gets them.
template <int MR, int NV, class Take>
inline void pair_tile(const int16_t* left, size_t ld, int pairs, const uint32_t* right, size_t step,
                      size_t gap, Take take) {
    Sum acc[MR][NV];
    BGE_UNROLL
    for (int m = 0; m < MR; ++m) {
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            acc[m][v] = zero_sum();
    }
    for (int i = 0; i < pairs; ++i, right += step) {
        Pair b[NV];
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            b[v] = load_pair(right + static_cast<size_t>(v / 2) * gap + v % 2 * 16);
        BGE_UNROLL
        for (int m = 0; m < MR; ++m) {
            const LeftPair a = broadcast_pair(left + static_cast<size_t>(m) * ld + 2 * i);
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                acc[m][v] = dot_pair(acc[m][v], a, b[v]);
        }
    }
    BGE_UNROLL
    for (int m = 0; m < MR; ++m) {
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            take(m, v, acc[m][v]);
    }
}

/// Scores of MR queries with 16 * NV keys from number `key` of the tile.
template <int MR, int NV>
BGE_NOINLINE void score_tile(QueryTile& t, int pairs, const uint32_t* k, const float* k_scales,
                             int key) {
    float* scores = t.scores[0] + key;
    const float* q_scales = t.q_scale;
    pair_tile<MR, NV>(t.q[0], kMaxHeadDim, pairs, k, kKeyPanel,
                      static_cast<size_t>(pairs) * kKeyPanel, [=](int m, int v, Sum sum) {
                          const F scale = mul(load(k_scales + v * 16), set1(q_scales[m]));
                          store(scores + m * kKeyTile + v * 16, mul(to_float(sum), scale));
                      });
}

/// Adds what one panel of keys has to say to 16 * NV dimensions from `first`.
template <int MR, int NV>
BGE_NOINLINE void value_tile(QueryTile& t, int key, const uint32_t* v, int d, int first) {
    float* out = t.out[0] + first;
    const float* factors = t.factor;
    pair_tile<MR, NV>(t.p[0] + key, kKeyTile, kKeyPanel / 2, v + first, static_cast<size_t>(d), 32,
                      [=](int m, int i, Sum sum) {
                          float* at = out + m * kMaxHeadDim + i * 16;
                          store(at, fma(to_float(sum), set1(factors[m]), load(at)));
                      });
}

/// Scores of one row -> weights relative to the tile's maximum.
inline void softmax_row(QueryTile& t, int m, int keys, int padded, int d) {
    float* s = t.scores[m];
    for (int j = keys & ~15; j < padded; j += 16) // keys beyond the sequence
        store(s + j, keep_first(load(s + j), keys - j, set1(-FLT_MAX)));
    F top = set1(-FLT_MAX), top2 = top;
    for (int j = 0; j < padded; j += 32) {
        top = max(top, load(s + j));
        top2 = max(top2, load(s + j + 16));
    }
    top = max(top, top2);
    const float old_max = t.row_max[m], tile_max = reduce_max(top);
    t.factor[m] = 1.0f / kWeightSteps;
    if (tile_max > old_max) {
        const float shrink = exp2_scalar(old_max - tile_max);
        for (int i = 0; i < d; i += 16)
            store(t.out[m] + i, mul(load(t.out[m] + i), set1(shrink)));
        t.row_sum[m] *= shrink;
        t.row_max[m] = tile_max;
    } else {
        t.factor[m] *= exp2_scalar(tile_max - old_max);
    }
    const F shift = set1(tile_max);
    I sum = iset1(0), sum2 = sum;
    for (int j = 0; j < padded; j += 32) {
        const I p = to_int(weight_of(sub(load(s + j), shift)));
        const I p2 = to_int(weight_of(sub(load(s + j + 16), shift)));
        store_i16(t.p[m] + j, p);
        store_i16(t.p[m] + j + 16, p2);
        sum = iadd(sum, p);
        sum2 = iadd(sum2, p2);
    }
    // the rounded weights are summed: what they round away is spread over all, not lost
    t.row_sum[m] += t.factor[m] * static_cast<float>(ireduce_add(iadd(sum, sum2)));
}

/// Divided by the sum of the weights, and written.
inline void finish_row(const Attention& g, const PackedHead& packed, int head, int row, int m,
                       QueryTile& t) {
    // NaN if q is not finite, or its scores, being NaN, would count for nothing
    const F share = set1(1.0f / t.row_sum[m] + 0.0f * t.q_scale[m]);
    for (int i = 0; i < g.head_dim; i += 32) {
        const F a = mul(load(t.out[m] + i), mul(load(packed.v_scales + i), share));
        const F b = mul(load(t.out[m] + i + 16), mul(load(packed.v_scales + i + 16), share));
        const int column = head * g.head_dim + i;
        if (g.out) {
            float* out = g.out + static_cast<size_t>(row + m) * g.ldo + column;
            store(out, a);
            store(out + 16, b);
        }
        if (g.q8.data)
            quantize_block(a, b, q8_row(g.q8, row + m), column / kBlock);
    }
}

template <int MR, int NV>
void attend(const Attention& g, const PackedHead& packed, int tokens, int head, int row,
            QueryTile& t) {
    const int d = g.head_dim, pairs = d / 2;
    for (int m = 0; m < MR; ++m) {
        const uint16_t* q =
            g.q + static_cast<size_t>(row + m) * g.ld + static_cast<size_t>(head) * d;
        t.q_scale[m] = quantize_head(q, d, t.q[m]);
        for (int i = 0; i < d; i += 16)
            store(t.out[m] + i, set1(0.0f));
        t.row_max[m] = -FLT_MAX;
        t.row_sum[m] = 0;
    }
    constexpr int kKeyVectors = NV < 2 ? NV : 2;
    constexpr bool kWide = kAttentionVectors == 4;
    for (int first = 0; first < tokens; first += kKeyTile) {
        const int keys = tokens - first < kKeyTile ? tokens - first : kKeyTile;
        const int padded = padded_keys(keys);
        for (int j = 0; j < padded;) {
            const uint32_t* k = packed.k + static_cast<size_t>(first + j) * pairs;
            const float* scales = packed.k_scales + first + j;
            if (kWide && j + 2 * kKeyPanel <= padded) { // two panels of keys at a time
                score_tile<MR, kWide ? 4 : kKeyVectors>(t, pairs, k, scales, j);
                j += 2 * kKeyPanel;
                continue;
            }
            for (int v = 0; v < 2; v += kKeyVectors)
                score_tile<MR, kKeyVectors>(t, pairs, k + v * 16, scales + v * 16, j + v * 16);
            j += kKeyPanel;
        }
        for (int m = 0; m < MR; ++m)
            softmax_row(t, m, keys, padded, d);
        for (int key = 0; key < padded; key += kKeyPanel)
            for (int i = 0; i < d; i += 16 * NV)
                value_tile<MR, NV>(t, key, packed.v + static_cast<size_t>((first + key) / 2) * d, d,
                                   i);
    }
    for (int m = 0; m < MR; ++m)
        finish_row(g, packed, head, row, m, t);
}

template <int MR>
void attend_rows(const Attention& g, const PackedHead& packed, int tokens, int head, int row,
                 QueryTile& t) {
    if constexpr (kAttentionVectors == 4) {
        if (g.head_dim == 64)
            return attend<MR, 4>(g, packed, tokens, head, row, t);
    }
    attend<MR, kAttentionVectors == 1 ? 1 : 2>(g, packed, tokens, head, row, t);
}

void attention(const Attention& g, int begin, int end, int head, int q0, int q1,
               const void* scratch) {
    const int tokens = end - begin;
    const PackedHead packed = packed_head(const_cast<void*>(scratch), tokens, g.head_dim);
    QueryTile t;
    const int tiles = (q1 - q0 + kAttentionRows - 1) / kAttentionRows;
    for (int i = 0, row = q0; i < tiles; ++i) {
        const int left = tiles - i, rows = (q1 - row + left - 1) / left;
        with_rows<kAttentionRows>(
            rows, [&](auto count) { attend_rows<count>(g, packed, tokens, head, row, t); });
        row += rows;
    }
}

} // namespace
} // namespace bge::kernels
