#include "tiny_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace bge::test {

namespace {

/// SplitMix64, and Box-Muller on it: a sequence that no standard library may change.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
    }
    double uniform() { return (static_cast<double>(next() >> 11) + 0.5) / 9007199254740992.0; }
    float normal(float mean, float deviation) {
        const double r = std::sqrt(-2 * std::log(uniform()));
        return mean + deviation * static_cast<float>(r * std::cos(6.283185307179586 * uniform()));
    }

  private:
    uint64_t state_;
};

void append(std::vector<uint8_t>& out, const void* bytes, size_t size) {
    const auto* from = static_cast<const uint8_t*>(bytes);
    out.insert(out.end(), from, from + size);
}

/// Round to nearest even; test values are neither huge nor subnormal, those become 0.
uint16_t half_bits(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000;
    const int exponent = static_cast<int>(bits >> 23 & 0xff) - 112;
    if (exponent <= 0)
        return static_cast<uint16_t>(sign);
    uint32_t rounded = static_cast<uint32_t>(exponent) << 10 | (bits >> 13 & 0x3ff);
    const uint32_t rest = bits & 0x1fff;
    if (rest > 0x1000 || (rest == 0x1000 && (rounded & 1)))
        ++rounded;
    return static_cast<uint16_t>(sign | std::min(rounded, 0x7bffu));
}

float half_value(uint16_t bits) {
    const int exponent = bits >> 10 & 0x1f;
    const float magnitude =
        exponent == 0 ? std::ldexp(static_cast<float>(bits & 0x3ff), -24)
                      : std::ldexp(static_cast<float>(1024 + (bits & 0x3ff)), exponent - 25);
    return bits & 0x8000 ? -magnitude : magnitude;
}

void encode_q8_0(const float* block, std::vector<uint8_t>& out) {
    float largest = 0;
    for (int i = 0; i < 32; ++i)
        largest = std::max(largest, std::fabs(block[i]));
    const uint16_t scale = half_bits(largest / 127);
    append(out, &scale, 2);
    const float inverse = half_value(scale) > 0 ? 1 / half_value(scale) : 0;
    for (int i = 0; i < 32; ++i) {
        const float q = std::clamp(std::round(block[i] * inverse), -127.f, 127.f);
        out.push_back(static_cast<uint8_t>(static_cast<int8_t>(q)));
    }
}

void encode_q4_0(const float* block, std::vector<uint8_t>& out) {
    float extreme = 0;
    for (int i = 0; i < 32; ++i)
        if (std::fabs(block[i]) > std::fabs(extreme))
            extreme = block[i];
    const uint16_t scale = half_bits(extreme / -8);
    append(out, &scale, 2);
    const float inverse = half_value(scale) != 0 ? 1 / half_value(scale) : 0;
    const auto quantum = [&](int i) {
        return static_cast<uint8_t>(std::clamp(block[i] * inverse + 8.5f, 0.f, 15.f));
    };
    for (int i = 0; i < 16; ++i)
        out.push_back(static_cast<uint8_t>(quantum(i) | quantum(i + 16) << 4));
}

/// Adds tensors whose values depend on the seed and the tensor's name alone.
class ModelWriter {
  public:
    ModelWriter(GgufBuilder& out, uint64_t seed) : out_(out), seed_(seed) {}

    void tensor(const std::string& name, std::vector<int64_t> shape, TensorType type, float mean,
                float deviation) {
        int64_t count = 1;
        for (const int64_t d : shape)
            count *= d;
        std::vector<float> values(static_cast<size_t>(count));
        uint64_t seed = seed_;
        for (const char c : name)
            seed = seed * 1099511628211u + static_cast<unsigned char>(c);
        Random random(seed);
        for (float& v : values)
            v = random.normal(mean, deviation);
        TensorData data;
        data.name = name;
        data.type = static_cast<uint32_t>(type);
        data.shape = std::move(shape);
        data.bytes = encode_tensor(values, type);
        out_.tensors.push_back(std::move(data));
    }
    void norm(const std::string& name, int64_t dim) {
        tensor(name + ".weight", {dim}, TensorType::F32, 1, 0.1f);
        tensor(name + ".bias", {dim}, TensorType::F32, 0, 0.1f);
    }
    void linear(const std::string& name, int64_t in, int64_t outputs, TensorType type) {
        tensor(name + ".weight", {in, outputs}, type, 0, 1.5f / std::sqrt(static_cast<float>(in)));
        tensor(name + ".bias", {outputs}, TensorType::F32, 0, 0.1f);
    }

  private:
    GgufBuilder& out_;
    uint64_t seed_;
};

void put_vocabulary(GgufBuilder& out, const TinyShape& shape) {
    // Control tokens first, as XLM-RoBERTa has them; then letters, then made-up syllables.
    std::vector<std::string> tokens =
        shape.unigram ? std::vector<std::string>{"<s>", "<pad>", "</s>", "<unk>"}
                      : std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    const size_t control = tokens.size();
    const std::string start = "\xe2\x96\x81"; // ▁, a word's beginning in both kinds
    for (char c = 'a'; c <= 'z'; ++c) {
        tokens.push_back(std::string(1, c));
        tokens.push_back(start + c);
    }
    const std::string consonants = "bcdfghjklmnpqrstvwxz", vowels = "aeiouy";
    for (size_t i = 0; tokens.size() < shape.vocab; ++i) {
        std::string syllables;
        for (size_t rest = i + 1; rest != 0; rest /= 120) {
            syllables += consonants[rest % 20];
            syllables += vowels[rest / 20 % 6];
        }
        tokens.push_back(i % 2 ? start + syllables : syllables);
    }
    tokens.resize(shape.vocab);
    std::vector<float> scores(tokens.size(), 0);
    std::vector<int32_t> types(tokens.size(), 1); // normal
    for (size_t i = 0; i < tokens.size(); ++i) {
        if (i < control)
            types[i] = tokens[i] == "<unk>" || tokens[i] == "[UNK]" ? 2 : 3;
        else
            scores[i] = -2 - std::log(static_cast<float>(i));
    }
    out.put_string("tokenizer.ggml.model", shape.unigram ? "t5" : "bert");
    out.put_string("tokenizer.ggml.pre", "default");
    out.put_strings("tokenizer.ggml.tokens", tokens);
    out.put_array("tokenizer.ggml.scores", GgufType::F32, scores.size(), scores.data(),
                  scores.size() * sizeof(float));
    out.put_array("tokenizer.ggml.token_type", GgufType::I32, types.size(), types.data(),
                  types.size() * sizeof(int32_t));
    out.put_u32("tokenizer.ggml.token_type_count", shape.token_types);
    const auto id = [&](const char* name, uint32_t unigram, uint32_t wordpiece) {
        out.put_u32(std::string("tokenizer.ggml.") + name, shape.unigram ? unigram : wordpiece);
    };
    id("bos_token_id", 0, 2);
    id("eos_token_id", 2, 3);
    id("unknown_token_id", 3, 1);
    id("seperator_token_id", 2, 3); // llama.cpp's spelling
    id("padding_token_id", 1, 0);
    if (shape.unigram) {
        out.put_bool("tokenizer.ggml.add_bos_token", true);
        out.put_bool("tokenizer.ggml.add_eos_token", true);
        out.put_bool("tokenizer.ggml.add_space_prefix", true);
        out.put_bool("tokenizer.ggml.remove_extra_whitespaces", true);
    }
}

void put_head(GgufBuilder& out, const std::string& name, const std::vector<float>& weight,
              const std::vector<float>& bias) {
    const auto put = [&](const char* suffix, const std::vector<float>& values) {
        const std::vector<uint8_t> bytes = encode_tensor(values, TensorType::F16);
        out.put_array("bge_m3_node." + name + suffix, GgufType::U16, values.size(), bytes.data(),
                      bytes.size());
    };
    put(".weight", weight);
    put(".bias", bias);
}

} // namespace

std::vector<uint8_t> encode_tensor(const std::vector<float>& values, TensorType type) {
    std::vector<uint8_t> out;
    switch (type) {
    case TensorType::F32:
        append(out, values.data(), values.size() * sizeof(float));
        return out;
    case TensorType::F16:
        for (const float v : values) {
            const uint16_t bits = half_bits(v);
            append(out, &bits, 2);
        }
        return out;
    case TensorType::BF16:
        for (const float v : values) {
            uint32_t bits;
            std::memcpy(&bits, &v, sizeof bits);
            const auto upper = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
            append(out, &upper, 2);
        }
        return out;
    case TensorType::Q8_0:
        for (size_t i = 0; i + 32 <= values.size(); i += 32)
            encode_q8_0(&values[i], out);
        return out;
    case TensorType::Q4_0:
        for (size_t i = 0; i + 32 <= values.size(); i += 32)
            encode_q4_0(&values[i], out);
        return out;
    default:
        throw std::invalid_argument("encode_tensor: unsupported type");
    }
}

GgufBuilder tiny_model(const TinyShape& shape, uint64_t seed) {
    GgufBuilder out;
    out.put_string("general.architecture", "bert");
    out.put_string("general.type", "model");
    out.put_string("general.name", "tiny test model");
    out.put_u32("bert.block_count", shape.layers);
    out.put_u32("bert.context_length", shape.context);
    out.put_u32("bert.embedding_length", shape.dim);
    out.put_u32("bert.feed_forward_length", shape.ffn);
    out.put_u32("bert.attention.head_count", shape.heads);
    out.put_f32("bert.attention.layer_norm_epsilon", 1e-5f);
    out.put_u32("general.file_type", 7);
    out.put_bool("bert.attention.causal", false);
    out.put_u32("bert.pooling_type", shape.pooling);
    put_vocabulary(out, shape);
    out.put_u32("general.quantization_version", 2);

    ModelWriter writer(out, seed);
    const int64_t dim = shape.dim, ffn = shape.ffn;
    writer.tensor("position_embd.weight", {dim, shape.context}, TensorType::F32, 0, 0.3f);
    writer.tensor("token_embd.weight", {dim, shape.vocab}, shape.tables, 0, 1);
    writer.norm("token_embd_norm", dim);
    writer.tensor("token_types.weight", {dim, shape.token_types}, TensorType::F32, 0, 0.2f);
    for (uint32_t l = 0; l < shape.layers; ++l) {
        const std::string prefix = "blk." + std::to_string(l) + ".";
        for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"})
            writer.linear(prefix + name, dim, dim, shape.matrices);
        writer.norm(prefix + "attn_output_norm", dim);
        writer.linear(prefix + "ffn_up", dim, ffn, shape.matrices);
        writer.linear(prefix + "ffn_down", ffn, dim, shape.matrices);
        writer.norm(prefix + "layer_output_norm", dim);
    }
    if (shape.ranks) {
        writer.linear("cls", dim, dim, shape.matrices);
        writer.linear("cls.output", dim, 1, shape.matrices);
    }
    if (shape.heads_inside) {
        Random random(seed + 17);
        const auto draw = [&](size_t count, float deviation) {
            std::vector<float> values(count);
            for (float& v : values)
                v = random.normal(0, deviation);
            return values;
        };
        const size_t n = shape.dim;
        put_head(out, "sparse_linear", draw(n, 0.2f), draw(1, 0.1f));
        put_head(out, "colbert_linear", draw(n * n, 0.2f), draw(n, 0.1f));
    }
    return out;
}

} // namespace bge::test
