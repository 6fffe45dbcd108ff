#include "pack.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <vector>

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

/// A channel's scales as 32767ths of the largest. @returns what to multiply them with.
float fix_scales(const Q8Block* row, int blocks, int16_t* out) {
    float top = 0;
    for (int b = 0; b < blocks; ++b) {
        const float size = std::fabs(scale_of(row[b].scale));
        if (std::isnan(size)) { // shows in the result
            std::fill(out, out + blocks, int16_t{0});
            return size;
        }
        top = std::max(top, size);
    }
    const float inverse = top > 0 ? 32767.0f / top : 0.0f;
    for (int b = 0; b < blocks; ++b) {
        const float x = scale_of(row[b].scale) * inverse;
        out[b] = static_cast<int16_t>(std::nearbyintf(x));
    }
    return top * (1.0f / 32767.0f);
}

/// One block of a channel that is number `c` of `width` side by side.
void pack_block(const Q8Block& block, int c, int width, Packing packing, uint8_t* out) {
    const uint32_t flip = packing.plus_128 ? 0x80808080u : 0;
    const int two = packing.step == 8; // words of four k side by side, or one
    for (int s = 0; s < kBlock / 4; ++s) {
        uint32_t word;
        std::memcpy(&word, block.q + s * 4, 4);
        word ^= flip;
        std::memcpy(out + ((((s >> two) * width + c) << two) + (s & two)) * 4, &word, 4);
    }
}

void pack_block_panel(const Q8Block* rows, int blocks, Packing packing, uint8_t* out) {
    for (int b = 0; b < blocks; ++b, out += kQ8PanelBlockBytes)
        for (int c = 0; c < kPanel; ++c) {
            const Q8Block& block =
                rows[static_cast<size_t>(c) * static_cast<size_t>(blocks) + static_cast<size_t>(b)];
            pack_block(block, c, kPanel, packing, out);
            std::memcpy(out + kPanel * kBlock + c * 2, &block.scale, 2);
        }
}

/// 16 channels.
void pack_fixed_half(const Q8Block* rows, int blocks, Packing packing, uint8_t* out) {
    constexpr int kWidth = kPanel / 2, kPairBytes = 2 * kWidth * kBlock + kWidth * 4;
    std::vector<int16_t> scales(static_cast<size_t>(blocks));
    for (int c = 0; c < kWidth; ++c) {
        const Q8Block* row = rows + static_cast<size_t>(c) * static_cast<size_t>(blocks);
        const float factor = fix_scales(row, blocks, scales.data());
        uint8_t* to = out;
        for (int b = 0; b < blocks; b += 2, to += kPairBytes) {
            pack_block(row[b], c, kWidth, packing, to);
            pack_block(row[b + 1], c, kWidth, packing, to + kWidth * kBlock);
            std::memcpy(to + 2 * kWidth * kBlock + c * 4, &scales[static_cast<size_t>(b)], 4);
        }
        std::memcpy(to + c * 4, &factor, 4);
    }
}

} // namespace

void pack_q8_panel(const Q8Block* rows, int k, Quant quant, Packing packing, uint8_t* out) {
    const int blocks = k / kBlock;
    if (quant == Quant::Block)
        return pack_block_panel(rows, blocks, packing, out);
    for (int half = 0; half < 2; ++half)
        pack_fixed_half(
            rows + static_cast<size_t>(half * (kPanel / 2)) * static_cast<size_t>(blocks), blocks,
            packing, out + static_cast<size_t>(half) * (q8_panel_bytes(k, quant) / 2));
}

void pack_q8(const Q8Block* rows, int n, int k, Quant quant, Packing packing, uint8_t* out) {
    const size_t blocks = static_cast<size_t>(k / kBlock);
    for (int p = 0; p < n / kPanel; ++p)
        pack_q8_panel(rows + static_cast<size_t>(p) * kPanel * blocks, k, quant, packing,
                      out + static_cast<size_t>(p) * q8_panel_bytes(k, quant));
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
