#include "weights.h"

#include <cstring>
#include <vector>

#include "../kernels/pack.h"

namespace bge::kernels {
namespace {

/// ggml's block_q4_0 and block_q5_0: float16 scale, [high bits,] nibbles; element i in the low
/// nibble of byte i, element i + 16 in the high one.
struct Q4Block {
    uint16_t scale;
    uint8_t nibbles[16];
};
struct Q5Block {
    uint16_t scale;
    uint8_t high[4];
    uint8_t nibbles[16];
};
static_assert(sizeof(Q4Block) == 18 && sizeof(Q5Block) == 22, "ggml's layouts");

void widen(const Q4Block& from, Q8Block& to) {
    to.scale = from.scale;
    for (int i = 0; i < 16; ++i) {
        to.q[i] = static_cast<int8_t>((from.nibbles[i] & 15) - 8);
        to.q[i + 16] = static_cast<int8_t>((from.nibbles[i] >> 4) - 8);
    }
}
void widen(const Q5Block& from, Q8Block& to) {
    to.scale = from.scale;
    uint32_t high;
    std::memcpy(&high, from.high, 4);
    for (int i = 0; i < 16; ++i) {
        to.q[i] = static_cast<int8_t>(((from.nibbles[i] & 15) | ((high >> i & 1u) << 4)) - 16);
        to.q[i + 16] =
            static_cast<int8_t>(((from.nibbles[i] >> 4) | ((high >> (i + 16) & 1u) << 4)) - 16);
    }
}

template <class Block> void widen_rows(const uint8_t* data, size_t row_bytes, int k, Q8Block* out) {
    const size_t blocks = static_cast<size_t>(k / kBlock);
    for (size_t c = 0; c < static_cast<size_t>(kPanel); ++c)
        for (size_t b = 0; b < blocks; ++b) {
            Block block;
            std::memcpy(&block, data + c * row_bytes + b * sizeof(Block), sizeof(Block));
            widen(block, out[c * blocks + b]);
        }
}

} // namespace

bool packable(ggml_type type, int64_t k, int64_t n, Quant wanted, Weight* weight) {
    if (n <= 0 || k <= 0 || n % kPanel != 0 || n > (1 << 24) || k > (1 << 24))
        return false;
    weight->n = static_cast<int>(n);
    weight->k = static_cast<int>(k);
    weight->quant = quant_of(wanted, weight->k);
    switch (type) {
    case GGML_TYPE_F16:
        weight->type = FloatType::F16;
        break;
    case GGML_TYPE_BF16:
        weight->type = FloatType::BF16;
        break;
    case GGML_TYPE_F32:
        weight->type = FloatType::F32;
        break;
    case GGML_TYPE_Q8_0:
    case GGML_TYPE_Q4_0:
    case GGML_TYPE_Q4_1:
    case GGML_TYPE_Q5_0:
    case GGML_TYPE_Q5_1:
    case GGML_TYPE_Q2_K:
    case GGML_TYPE_Q3_K:
    case GGML_TYPE_Q4_K:
    case GGML_TYPE_Q5_K:
    case GGML_TYPE_Q6_K:
        weight->q8 = true;
        return k % kBlock == 0 && k % ggml_blck_size(type) == 0;
    default:
        return false;
    }
    weight->q8 = false;
    return true;
}

size_t packed_bytes(const Weight& weight) {
    return weight.q8 ? q8_packed_bytes(weight.n, weight.k, weight.quant)
                     : float_packed_bytes(weight.n, weight.k, weight.type);
}

void pack_weight(ggml_type type, const void* data, const Weight& weight, Packing packing,
                 uint8_t* out) {
    const int n = weight.n, k = weight.k;
    if (!weight.q8)
        return pack_float(data, n, k, weight.type, out);
    if (type == GGML_TYPE_Q8_0)
        return pack_q8(static_cast<const Q8Block*>(data), n, k, weight.quant, packing, out);
    const size_t row_bytes = ggml_row_size(type, k);
    const auto blocks = static_cast<size_t>(k / kBlock);
    std::vector<Q8Block> panel(static_cast<size_t>(kPanel) * blocks);
    std::vector<float> row(static_cast<size_t>(k));
    for (int p = 0; p < n / kPanel; ++p) {
        const auto* rows =
            static_cast<const uint8_t*>(data) + static_cast<size_t>(p) * kPanel * row_bytes;
        if (type == GGML_TYPE_Q4_0) {
            widen_rows<Q4Block>(rows, row_bytes, k, panel.data());
        } else if (type == GGML_TYPE_Q5_0) {
            widen_rows<Q5Block>(rows, row_bytes, k, panel.data());
        } else {
            for (size_t c = 0; c < static_cast<size_t>(kPanel); ++c) {
                ggml_get_type_traits(type)->to_float(rows + c * row_bytes, row.data(), k);
                quantize_q8(row.data(), k, panel.data() + c * blocks);
            }
        }
        pack_q8_panel(panel.data(), k, weight.quant, packing,
                      out + static_cast<size_t>(p) * q8_panel_bytes(k, weight.quant));
    }
}

std::vector<float> to_floats(ggml_type type, const void* data, size_t count) {
    std::vector<float> out(count);
    if (type == GGML_TYPE_F32) {
        std::memcpy(out.data(), data, count * sizeof(float));
        return out;
    }
    const ggml_to_float_t convert = ggml_get_type_traits(type)->to_float;
    if (!convert)
        return {};
    convert(data, out.data(), static_cast<int64_t>(count));
    return out;
}

} // namespace bge::kernels
