// softmax(q k^T) v for one head of one sequence, streaming over tiles of kKeyTile keys counted from
// the sequence's first token, so memory is linear and nothing depends on what lies beside it.
//
// Per query row, whatever the tile it is in: scores are fma chains over pairs of dimensions (odd
// one first); p = 2^(score - max), at least 2^-50, as bfloat16, its sum (before rounding) over 16
// lanes; the output is an fma chain over pairs of keys. |q|, |k|, |v| below 2^-50 count as zero, so
// no sum is ever denormal and processors that flush denormals in bfloat16 products agree with
// others. Keys beyond the sequence's end, up to a multiple of 32, have v = 0 and p = 2^-50: a fixed
// 1e-15.
#pragma once

#include <cfloat>

#include "../kernels.h"
#include "quantize.h"
#include "unroll.h"

namespace bge::kernels {
namespace {

constexpr float kTiny = 0x1p-50f;
constexpr int kMaxHeadDim = 64;
constexpr int kKeyPanel = 32;

constexpr int padded_keys(int tokens) {
    return (tokens + kKeyPanel - 1) / kKeyPanel * kKeyPanel;
}

/// Lanes with |x| < 2^-50 become 0.
inline F zero_tiny(F x) {
    return keep_where_ge(x, abs(x), set1(kTiny));
}

/// 2^x for x <= 0, 2^-50 below -50. Relative error under 3e-6: the result is rounded to bfloat16.
inline F exp2_vector(F x) {
    constexpr float kP[4] = {0.6931241750717163f, 0.24024099111557007f, 0.05590643361210823f,
                             0.009582852944731712f};
    const F c = max(x, set1(-50.0f));
    const F n = round_even(c);
    const F f = sub(c, n);
    F p = fma(set1(kP[3]), f, set1(kP[2]));
    p = fma(p, f, set1(kP[1]));
    p = fma(p, f, set1(kP[0]));
    return scale2(fma(p, f, set1(1.0f)), n);
}

inline uint16_t without_tiny(uint16_t h) { // bfloat16 with |x| < 2^-50 -> 0
    return (h & 0x7f80u) < ((127u - 50u) << 7) ? uint16_t{0} : h;
}
inline uint32_t pair_without_tiny(uint16_t low, uint16_t high) {
    return static_cast<uint32_t>(without_tiny(low)) | static_cast<uint32_t>(without_tiny(high))
                                                          << 16;
}

struct PackedHead {
    uint32_t* k; // [panel of 32 keys][pair of dimensions][key]
    uint32_t* v; // [pair of keys][dimension]
};
inline PackedHead packed_head(void* scratch, int tokens, int head_dim) {
    auto* k = static_cast<uint32_t*>(scratch);
    return {k, k + static_cast<size_t>(padded_keys(tokens)) * static_cast<size_t>(head_dim / 2)};
}

void attention_pack(const Attention& g, int begin, int end, int head, void* scratch) {
    const int tokens = end - begin, d = g.head_dim, pairs = d / 2;
    const PackedHead packed = packed_head(scratch, tokens, d);
    const size_t first = static_cast<size_t>(begin) * g.ld + static_cast<size_t>(head) * d;
    for (int p = 0; p < padded_keys(tokens) / kKeyPanel; ++p) {
        uint32_t* out = packed.k + static_cast<size_t>(p) * pairs * kKeyPanel;
        for (int key = 0; key < kKeyPanel; ++key) {
            const int token = p * kKeyPanel + key;
            if (token < tokens) {
                const uint16_t* row = g.k + first + static_cast<size_t>(token) * g.ld;
                for (int i = 0; i < pairs; ++i)
                    out[i * kKeyPanel + key] = pair_without_tiny(row[2 * i], row[2 * i + 1]);
            } else {
                for (int i = 0; i < pairs; ++i)
                    out[i * kKeyPanel + key] = 0;
            }
        }
    }
    for (int j = 0; j < padded_keys(tokens) / 2; ++j) {
        uint32_t* out = packed.v + static_cast<size_t>(j) * d;
        const uint16_t* row = g.v + first + static_cast<size_t>(2 * j) * g.ld;
        const bool even = 2 * j < tokens, odd = 2 * j + 1 < tokens;
        for (int i = 0; i < d; ++i)
            out[i] = pair_without_tiny(even ? row[i] : uint16_t{0},
                                       odd ? row[g.ld + static_cast<size_t>(i)] : uint16_t{0});
    }
}

/// out[m][16 * NV] (+)= sum over pairs of left[m] x right; rows of `right` are `step` words apart,
/// and every second vector of a row starts `gap` words after the one two before.
template <int MR, int NV, bool Add>
inline void pair_tile(const Left* left, size_t ld_left, int pairs, const uint32_t* right,
                      size_t step, size_t gap, float* out, size_t ld_out) {
    F acc[MR][NV];
    BGE_UNROLL
    for (int m = 0; m < MR; ++m) {
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            acc[m][v] = Add ? load(out + static_cast<size_t>(m) * ld_out + v * 16) : set1(0.0f);
    }
    for (int i = 0; i < pairs; ++i, right += step) {
        Pair b[NV];
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            b[v] = load_pair(right + static_cast<size_t>(v / 2) * gap + v % 2 * 16);
        BGE_UNROLL
        for (int m = 0; m < MR; ++m) {
            const LeftPair a = broadcast_pair(left + static_cast<size_t>(m) * ld_left + 2 * i);
            BGE_UNROLL
            for (int v = 0; v < NV; ++v)
                acc[m][v] = dot_pair(acc[m][v], a, b[v]);
        }
    }
    BGE_UNROLL
    for (int m = 0; m < MR; ++m) {
        BGE_UNROLL
        for (int v = 0; v < NV; ++v)
            store(out + static_cast<size_t>(m) * ld_out + v * 16, acc[m][v]);
    }
}

/// Working memory of one tile of query rows.
struct alignas(64) QueryTile {
    Left q[kAttentionRows][kMaxHeadDim];
    float scores[kAttentionRows][kKeyTile];
    Left p[kAttentionRows][kKeyTile];
    float out[kAttentionRows][kMaxHeadDim];
    float row_max[kAttentionRows];
    float row_sum[kAttentionRows];
};

/// Scores of one row -> bfloat16 probabilities relative to the running maximum.
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
    const float new_max = old_max > tile_max ? old_max : tile_max;
    if (new_max > old_max) {
        F shrink = exp2_vector(set1(old_max - new_max));
        for (int i = 0; i < d; i += 16)
            store(t.out[m] + i, mul(load(t.out[m] + i), shrink));
        alignas(64) float lanes[16];
        store(lanes, shrink);
        t.row_sum[m] *= lanes[0];
        t.row_max[m] = new_max;
    }
    const F shift = set1(new_max);
    F sum = set1(0.0f), sum2 = sum;
    for (int j = 0; j < padded; j += 32) {
        const F p = exp2_vector(sub(load(s + j), shift));
        const F p2 = exp2_vector(sub(load(s + j + 16), shift));
        store_left(t.p[m] + j, p);
        store_left(t.p[m] + j + 16, p2);
        sum = add(sum, p);
        sum2 = add(sum2, p2);
    }
    t.row_sum[m] += reduce_add(add(sum, sum2));
}

template <int MR, int NV>
void attend(const Attention& g, const PackedHead& packed, int tokens, int head, int row,
            QueryTile& t) {
    const int d = g.head_dim, pairs = d / 2;
    for (int m = 0; m < MR; ++m) {
        const uint16_t* q =
            g.q + static_cast<size_t>(row + m) * g.ld + static_cast<size_t>(head) * d;
        for (int i = 0; i < d; i += 16) {
            store_left(t.q[m] + i, zero_tiny(load_bf16(q + i)));
            store(t.out[m] + i, set1(0.0f));
        }
        t.row_max[m] = -FLT_MAX;
        t.row_sum[m] = 0;
    }
    constexpr int kKeyVectors = NV < 2 ? NV : 2;
    constexpr bool kWide = kAttentionVectors == 4;
    for (int first = 0; first < tokens; first += kKeyTile) {
        const int keys = tokens - first < kKeyTile ? tokens - first : kKeyTile;
        const int padded = padded_keys(keys);
        const size_t panel = static_cast<size_t>(pairs) * kKeyPanel;
        for (int j = 0; j < padded;) {
            const uint32_t* k = packed.k + static_cast<size_t>((first + j) / kKeyPanel) * panel;
            float* scores = t.scores[0] + j;
            if (kWide && j + 2 * kKeyPanel <= padded) { // two panels of keys at a time
                pair_tile<MR, kWide ? 4 : kKeyVectors, false>(t.q[0], kMaxHeadDim, pairs, k,
                                                              kKeyPanel, panel, scores, kKeyTile);
                j += 2 * kKeyPanel;
                continue;
            }
            for (int v = 0; v < 2; v += kKeyVectors)
                pair_tile<MR, kKeyVectors, false>(t.q[0], kMaxHeadDim, pairs, k + v * 16, kKeyPanel,
                                                  kKeyPanel, scores + v * 16, kKeyTile);
            j += kKeyPanel;
        }
        for (int m = 0; m < MR; ++m)
            softmax_row(t, m, keys, padded, d);
        const uint32_t* v = packed.v + static_cast<size_t>(first / 2) * d;
        for (int i = 0; i < d / 16; i += NV)
            pair_tile<MR, NV, true>(t.p[0], kKeyTile, padded / 2, v + i * 16,
                                    static_cast<size_t>(d), 32, t.out[0] + i * 16, kMaxHeadDim);
    }
    for (int m = 0; m < MR; ++m) {
        const F factor = set1(1.0f / t.row_sum[m]);
        for (int i = 0; i < d; i += 32) {
            const F a = mul(load(t.out[m] + i), factor), b = mul(load(t.out[m] + i + 16), factor);
            const int column = head * d + i;
            if (g.out) {
                float* out = g.out + static_cast<size_t>(row + m) * g.ldo + column;
                store(out, a);
                store(out + 16, b);
            }
            if (g.q8.data)
                quantize_block(a, b, q8_row(g.q8, row + m, Quant::Block), column / kBlock);
        }
    }
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
        switch (rows) {
        case 1:
            attend_rows<1>(g, packed, tokens, head, row, t);
            break;
        case 2:
            attend_rows<2>(g, packed, tokens, head, row, t);
            break;
        case 3:
            attend_rows<3>(g, packed, tokens, head, row, t);
            break;
        case 4:
            attend_rows<4>(g, packed, tokens, head, row, t);
            break;
        case 5:
            attend_rows < kAttentionRows<5 ? 1 : 5>(g, packed, tokens, head, row, t);
            break;
        default:
            attend_rows < kAttentionRows<6 ? 1 : 6>(g, packed, tokens, head, row, t);
            break;
        }
        row += rows;
    }
}

} // namespace
} // namespace bge::kernels
