#include "pack.h"

#include <cfloat>
#include <cmath>
#include <cstring>

namespace bge::kernels {
namespace {

/// Nearest float16, ties to even; x is finite.
uint16_t to_half(float x) {
    uint32_t u;
    std::memcpy(&u, &x, 4);
    const auto sign = static_cast<uint16_t>((u >> 16) & 0x8000u);
    u &= 0x7fffffffu;
    if (u >= 0x477ff000u) // rounds to 65536 or more
        return static_cast<uint16_t>(sign | 0x7c00u);
    if (u < 0x38800000u) { // denormal: count in steps of 2^-24
        float a;
        std::memcpy(&a, &u, 4);
        return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyintf(a * 0x1p24f)));
    }
    u += 0xfffu + ((u >> 13) & 1u);
    return static_cast<uint16_t>(sign | ((u - 0x38000000u) >> 13));
}

float from_half(uint16_t h) {
    const int exponent = (h >> 10) & 31, fraction = h & 1023;
    const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                            : exponent == 31
                                ? 65536.0f
                                : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
    return h & 0x8000u ? -magnitude : magnitude;
}

/// A file's scale; what is not finite stays so, and shows in the result.
float scale_of(uint16_t h) {
    return (h & 0x7c00u) == 0x7c00u ? NAN : from_half(h);
}

int32_t bits_of(float x) {
    int32_t u;
    std::memcpy(&u, &x, 4);
    return u;
}

/// 128 weights to int8 (as bytes). @returns their scale as float16. Written so that compilers
/// vectorize it: it runs over all of a model while that loads.
uint16_t quantize_group(const float* x, uint8_t* q) {
    int32_t top = 0; // floats without sign compare like integers
    for (int i = 0; i < kGroup; ++i) {
        const int32_t size = bits_of(x[i]) & 0x7fffffff;
        top = size > top ? size : top;
    }
    float amax;
    std::memcpy(&amax, &top, 4);
    const bool finite = top < 0x7f800000;
    const uint16_t half = finite ? to_half(amax / 127.0f) : uint16_t{0x7e00};
    const float scale = from_half(half);
    if (!finite || scale <= 0) {
        std::memset(q, 0, kGroup);
        return half;
    }
    const float factor = 1.0f / scale;
    // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the lowest bits.
    constexpr float kRound = 12582912.0f;
    for (int i = 0; i < kGroup; ++i) {
        int32_t n = bits_of(x[i] * factor + kRound) - bits_of(kRound);
        n = n < -127 ? -127 : n; // a scale that was rounded down
        n = n > 127 ? 127 : n;
        q[i] = static_cast<uint8_t>(n);
    }
    return half;
}

} // namespace

void pack_q8_panel(const Q8Block* rows, int k, bool unsigned_weights, uint8_t* out) {
    const int blocks = k / kBlock;
    const uint32_t flip = unsigned_weights ? 0x80808080u : 0;
    for (int b = 0; b < blocks; ++b, out += kQ8PanelBlockBytes) {
        for (int c = 0; c < kPanel; ++c) {
            const Q8Block& block =
                rows[static_cast<size_t>(c) * static_cast<size_t>(blocks) + static_cast<size_t>(b)];
            for (int s = 0; s < kBlock / 4; ++s) {
                uint32_t word;
                std::memcpy(&word, block.q + s * 4, 4);
                word ^= flip;
                std::memcpy(out + s * kPanel * 4 + c * 4, &word, 4);
            }
            std::memcpy(out + kPanel * kBlock + c * 2, &block.scale, 2);
        }
    }
}

void pack_q8(const Q8Block* rows, int n, int k, bool unsigned_weights, uint8_t* out) {
    const size_t blocks = static_cast<size_t>(k / kBlock);
    for (int p = 0; p < n / kPanel; ++p)
        pack_q8_panel(rows + static_cast<size_t>(p) * kPanel * blocks, k, unsigned_weights,
                      out + static_cast<size_t>(p) * q8_panel_bytes(k, Quant::Block));
}

void pack_q8_group_panel(const float* rows, int k, bool unsigned_weights, uint8_t* out) {
    const uint32_t flip = unsigned_weights ? 0x80808080u : 0;
    for (int g = 0; g < k / kGroup; ++g, out += kQ8PanelGroupBytes) {
        for (int c = 0; c < kPanel; ++c) {
            uint8_t q[kGroup];
            const uint16_t scale =
                quantize_group(rows + static_cast<size_t>(c) * static_cast<size_t>(k) +
                                   static_cast<size_t>(g) * kGroup,
                               q);
            for (int s = 0; s < kGroup / 4; ++s) {
                uint32_t word;
                std::memcpy(&word, q + s * 4, 4);
                word ^= flip;
                std::memcpy(out + s * kPanel * 4 + c * 4, &word, 4);
            }
            std::memcpy(out + kPanel * kGroup + c * 2, &scale, 2);
        }
    }
}

void dequantize_q8(const Q8Block* row, int k, float* out) {
    for (int b = 0; b < k / kBlock; ++b) {
        const float scale = scale_of(row[b].scale);
        for (int i = 0; i < kBlock; ++i)
            out[b * kBlock + i] = scale * static_cast<float>(row[b].q[i]);
    }
}

void pack_float(const void* rows, int n, int k, FloatType type, uint8_t* out) {
    const size_t size = float_size(type), row_bytes = static_cast<size_t>(k) * size;
    for (int p = 0; p < n / kPanel; ++p) {
        const auto* source =
            static_cast<const uint8_t*>(rows) + static_cast<size_t>(p) * kPanel * row_bytes;
        uint8_t* target = out + static_cast<size_t>(p) * float_panel_bytes(k, type);
        for (size_t i = 0; i < static_cast<size_t>(k); ++i)
            for (size_t c = 0; c < static_cast<size_t>(kPanel); ++c)
                std::memcpy(target + (i * kPanel + c) * size, source + c * row_bytes + i * size,
                            size);
    }
}

bool float_to_half_exact(float x, uint16_t* half) {
    if (!std::isfinite(x))
        return false;
    *half = to_half(x);
    return (*half & 0x7c00u) != 0x7c00u && from_half(*half) == x;
}

void quantize_q8(const float* x, int k, Q8Block* out) {
    for (int b = 0; b < k / kBlock; ++b, x += kBlock) {
        float amax = 0;
        for (int i = 0; i < kBlock; ++i)
            amax = std::fmax(amax, std::fabs(x[i]));
        out[b].scale = to_half(amax / 127.0f);
        const float scale = from_half(out[b].scale);
        for (int i = 0; i < kBlock; ++i) {
            const float q = scale > 0 ? std::nearbyintf(x[i] / scale) : 0.0f;
            out[b].q[i] = static_cast<int8_t>(std::fmax(-127.0f, std::fmin(127.0f, q)));
        }
    }
}

} // namespace bge::kernels
