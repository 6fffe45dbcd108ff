#include "dequantize.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

namespace bge::reference {

namespace {

uint16_t read_u16(const uint8_t* at) {
    return static_cast<uint16_t>(at[0] | at[1] << 8);
}

double float_at(const uint8_t* at) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return static_cast<double>(value);
}

double half_at(const uint8_t* at) {
    return half_to_double(read_u16(at));
}

double bfloat_at(const uint8_t* at) {
    const uint32_t bits = static_cast<uint32_t>(read_u16(at)) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return static_cast<double>(value);
}

// Blocks of 32. Nibbles: element i in the low half of byte i, element i + 16 in the high half.

void block_q8_0(const uint8_t* b, double* out) {
    const double d = half_at(b);
    for (int i = 0; i < 32; ++i)
        out[i] = d * static_cast<int8_t>(b[2 + i]);
}

void block_q4(const uint8_t* quants, double d, double offset, double* out) {
    for (int i = 0; i < 16; ++i) {
        out[i] = d * (quants[i] & 15) + offset;
        out[i + 16] = d * (quants[i] >> 4) + offset;
    }
}

void block_q5(const uint8_t* high_bits, const uint8_t* quants, double d, double offset,
              double* out) {
    for (int i = 0; i < 32; ++i) {
        const int low = i < 16 ? quants[i] & 15 : quants[i - 16] >> 4;
        const int high = high_bits[i / 8] >> (i % 8) & 1;
        out[i] = d * (low + 16 * high) + offset;
    }
}

/// The packed 6-bit scales and minima of Q4_K and Q5_K: 8 of each in 12 bytes.
void scale_and_minimum(const uint8_t* packed, int j, int& scale, int& minimum) {
    if (j < 4) {
        scale = packed[j] & 63;
        minimum = packed[j + 4] & 63;
    } else {
        scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
        minimum = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
    }
}

/// 256 elements: d, dmin (halves), 12 scale bytes, for Q5_K 32 bytes of high bits, 128 of nibbles.
/// Each 64 elements share 32 nibble bytes: the low halves first, then the high halves.
void block_k4_or_k5(const uint8_t* b, bool five, double* out) {
    const double d = half_at(b), dmin = half_at(b + 2);
    const uint8_t* scales = b + 4;
    const uint8_t* high = b + 16;
    const uint8_t* quants = five ? b + 48 : b + 16;
    for (int sub = 0; sub < 8; ++sub) {
        int scale, minimum;
        scale_and_minimum(scales, sub, scale, minimum);
        for (int i = 0; i < 32; ++i) {
            const uint8_t byte = quants[sub / 2 * 32 + i];
            int q = sub % 2 ? byte >> 4 : byte & 15;
            if (five)
                q += (high[i] >> sub & 1) * 16;
            out[sub * 32 + i] = d * scale * q - dmin * minimum;
        }
    }
}

/// 256 elements: 128 bytes of low nibbles, 64 of high bit pairs, 16 int8 scales, d.
void block_q6_k(const uint8_t* b, double* out) {
    const uint8_t* low = b;
    const uint8_t* high = b + 128;
    const auto* scales = reinterpret_cast<const int8_t*>(b + 192);
    const double d = half_at(b + 208);
    for (int i = 0; i < 256; ++i) {
        const int half = i / 128, quarter = i % 128 / 32, lane = i % 32;
        const uint8_t nibbles = low[half * 64 + quarter % 2 * 32 + lane];
        const int q4 = quarter < 2 ? nibbles & 15 : nibbles >> 4;
        const int q2 = high[half * 32 + lane] >> (2 * quarter) & 3;
        out[i] = d * scales[i / 16] * ((q4 | q2 << 4) - 32);
    }
}

struct Format {
    uint32_t type;
    size_t elements;
    size_t bytes;
    void (*decode)(const uint8_t*, double*);
};

constexpr Format kFormats[] = {
    {0, 1, 4, [](const uint8_t* b, double* out) { *out = float_at(b); }},
    {1, 1, 2, [](const uint8_t* b, double* out) { *out = half_at(b); }},
    {30, 1, 2, [](const uint8_t* b, double* out) { *out = bfloat_at(b); }},
    {8, 32, 34, block_q8_0},
    {2, 32, 18,
     [](const uint8_t* b, double* out) { block_q4(b + 2, half_at(b), -8 * half_at(b), out); }},
    {3, 32, 20,
     [](const uint8_t* b, double* out) { block_q4(b + 4, half_at(b), half_at(b + 2), out); }},
    {6, 32, 22,
     [](const uint8_t* b, double* out) {
         block_q5(b + 2, b + 6, half_at(b), -16 * half_at(b), out);
     }},
    {7, 32, 24,
     [](const uint8_t* b, double* out) {
         block_q5(b + 4, b + 8, half_at(b), half_at(b + 2), out);
     }},
    {12, 256, 144, [](const uint8_t* b, double* out) { block_k4_or_k5(b, false, out); }},
    {13, 256, 176, [](const uint8_t* b, double* out) { block_k4_or_k5(b, true, out); }},
    {14, 256, 210, block_q6_k},
};

} // namespace

double half_to_double(uint16_t bits) {
    const int exponent = bits >> 10 & 31;
    const int fraction = bits & 1023;
    double magnitude;
    if (exponent == 31)
        magnitude = fraction ? std::numeric_limits<double>::quiet_NaN()
                             : std::numeric_limits<double>::infinity();
    else if (exponent == 0)
        magnitude = std::ldexp(fraction, -24);
    else
        magnitude = std::ldexp(1024 + fraction, exponent - 25);
    return bits & 0x8000 ? -magnitude : magnitude;
}

void dequantize(uint32_t type, const uint8_t* bytes, size_t count, double* out) {
    for (const Format& format : kFormats) {
        if (format.type != type)
            continue;
        if (count % format.elements != 0)
            throw std::invalid_argument("not a whole number of blocks");
        for (size_t i = 0; i < count; i += format.elements, bytes += format.bytes)
            format.decode(bytes, out + i);
        return;
    }
    throw std::invalid_argument("the reference does not know tensor type " + std::to_string(type));
}

} // namespace bge::reference
