#include "fuzz_mutations.h"

#include "fuzz_dice.h"
#include "fuzz_words.h"
#include "tiny_model.h"

#include <algorithm>
#include <cstring>

namespace bge::test {

namespace {

// Head sizes 64 and 32 run on the fast kernels, 16 on ggml's own operations.
const GgufBuilder& base_model() {
    static const GgufBuilder plain = [] {
        TinyShape shape;
        shape.heads = 1;
        return tiny_model(shape);
    }();
    return plain;
}
const GgufBuilder& base_model_with_heads() {
    static const GgufBuilder heads = [] {
        TinyShape shape;
        shape.heads = 2;
        shape.heads_inside = true;
        return tiny_model(shape, 2);
    }();
    return heads;
}
const GgufBuilder& base_wordpiece() {
    static const GgufBuilder wordpiece = [] {
        TinyShape shape;
        shape.unigram = false;
        shape.pooling = 1;
        return tiny_model(shape, 3);
    }();
    return wordpiece;
}

size_t type_size(GgufType type) {
    switch (type) {
    case GgufType::U16:
    case GgufType::I16:
        return 2;
    case GgufType::U32:
    case GgufType::I32:
    case GgufType::F32:
        return 4;
    case GgufType::U64:
    case GgufType::I64:
    case GgufType::F64:
        return 8;
    default:
        return 1;
    }
}

class ModelMutator {
  public:
    explicit ModelMutator(uint64_t seed) : dice_(seed) {}

    MutatedModel run() {
        if (dice_.chance(15)) {
            other_shape();
        } else {
            const size_t base = dice_.below(4);
            model_ = base == 0   ? base_model_with_heads()
                     : base == 1 ? base_wordpiece()
                                 : base_model();
        }
        const size_t kind = dice_.below(100);
        if (kind < 55) {
            const size_t edits = dice_.chance(70) ? 1 : 2 + dice_.below(3);
            for (size_t i = 0; i < edits; ++i)
                edit_meaning();
            out_.bytes = model_.build();
        } else {
            out_.bytes = model_.build();
            size_t tensor_bytes = 0;
            for (const TensorData& t : model_.tensors)
                tensor_bytes += (t.bytes.size() + 31) / 32 * 32;
            header_ = out_.bytes.size() - std::min(tensor_bytes, out_.bytes.size());
            const size_t edits = 1 + dice_.below(3);
            for (size_t i = 0; i < edits; ++i)
                damage_bytes();
        }
        return std::move(out_);
    }

  private:
    void note(const std::string& what) {
        out_.description += (out_.description.empty() ? "" : "; ") + what;
    }

    /// A right model of an unusual shape.
    void other_shape() {
        TinyShape shape;
        shape.layers = 1 + static_cast<uint32_t>(dice_.below(4));
        shape.dim = dice_.pick<uint32_t>({1, 2, 3, 8, 24, 32, 33, 40, 64, 96, 128, 160});
        std::vector<uint32_t> divisors;
        for (uint32_t h = 1; h <= shape.dim; ++h)
            if (shape.dim % h == 0)
                divisors.push_back(h);
        shape.heads = dice_.pick(divisors);
        shape.ffn = dice_.pick<uint32_t>({1, 5, 32, 64, 100, 256});
        shape.context = dice_.pick<uint32_t>({1, 2, 3, 17, 64, 600});
        shape.vocab = dice_.pick<uint32_t>({1, 4, 5, 6, 60, 1000});
        const bool blocks = shape.dim % 32 == 0 && shape.ffn % 32 == 0;
        shape.matrices =
            blocks ? dice_.pick<TensorType>(
                         {TensorType::Q8_0, TensorType::Q4_0, TensorType::F16, TensorType::BF16})
                   : dice_.pick<TensorType>({TensorType::F32, TensorType::F16, TensorType::BF16});
        shape.tables = shape.dim % 32 == 0 ? TensorType::Q8_0 : TensorType::F32;
        shape.unigram = dice_.chance(70);
        shape.pooling = static_cast<uint32_t>(1 + dice_.below(2));
        shape.heads_inside = dice_.chance(30);
        model_ = tiny_model(shape, dice_.next());
        note("shape: " + std::to_string(shape.layers) + " layers, dim " +
             std::to_string(shape.dim) + ", heads " + std::to_string(shape.heads) + ", ffn " +
             std::to_string(shape.ffn) + ", context " + std::to_string(shape.context) +
             ", vocabulary " + std::to_string(shape.vocab) + ", " +
             tensor_type_name(shape.matrices));
    }

    void edit_meaning() {
        switch (dice_.below(7)) {
        case 0:
            return edit_key();
        case 1:
            return add_known_key();
        case 2:
        case 3:
            return edit_tensor();
        case 4:
            return spoil_weights();
        case 5:
            return edit_vocabulary();
        default:
            return edit_hyperparameter();
        }
    }

    std::vector<uint8_t> random_scalar(GgufType type) {
        if (type == GgufType::String) {
            const std::string text = dice_.pick(kHostileStrings);
            std::vector<uint8_t> bytes(8 + text.size());
            const uint64_t length = text.size();
            std::memcpy(bytes.data(), &length, 8);
            std::copy(text.begin(), text.end(), bytes.begin() + 8);
            return bytes;
        }
        std::vector<uint8_t> bytes(type_size(type));
        if (type == GgufType::F32) {
            const float value = dice_.real();
            std::memcpy(bytes.data(), &value, 4);
        } else if (type == GgufType::F64) {
            const double value = static_cast<double>(dice_.real());
            std::memcpy(bytes.data(), &value, 8);
        } else {
            const uint64_t value = dice_.number();
            std::memcpy(bytes.data(), &value, bytes.size());
        }
        return bytes;
    }

    GgufType random_type() {
        static const std::vector<GgufType> types = {
            GgufType::U8,  GgufType::I8,  GgufType::U16, GgufType::I16,
            GgufType::U32, GgufType::I32, GgufType::F32, GgufType::Bool,
            GgufType::U64, GgufType::I64, GgufType::F64, GgufType::String};
        return dice_.pick(types);
    }

    void fill_random(KeyValue& value) {
        const GgufType type = random_type();
        if (dice_.chance(70)) {
            value.type = type;
            value.bytes = random_scalar(type);
            return;
        }
        value.type = GgufType::Array;
        value.element = type;
        value.count = dice_.pick<uint64_t>({0, 1, 2, 3, 16, 64, 512, 1000, 1001});
        value.bytes.clear();
        for (uint64_t i = 0; i < value.count; ++i) {
            const std::vector<uint8_t> one = random_scalar(type);
            value.bytes.insert(value.bytes.end(), one.begin(), one.end());
        }
    }

    void edit_key() {
        if (model_.values.empty())
            return;
        KeyValue& value = dice_.pick_from(model_.values);
        switch (dice_.below(5)) {
        case 0:
            note("erase key " + value.key);
            model_.erase(std::string(value.key));
            return;
        case 1:
            note("retype key " + value.key);
            fill_random(value);
            return;
        case 2: {
            const std::string name = dice_.pick(kKnownKeys);
            note("rename key " + value.key + " to " + name);
            value.key = name;
            return;
        }
        case 3:
            note("duplicate key " + value.key);
            model_.values.push_back(KeyValue(value));
            return;
        default:
            if (value.type == GgufType::Array) {
                note("array length of " + value.key);
                value.count = dice_.chance(50) ? dice_.number() : value.count + dice_.below(3) - 1;
            } else {
                note("value of " + value.key);
                value.bytes = random_scalar(value.type);
            }
        }
    }

    void add_known_key() {
        KeyValue value;
        value.key = dice_.pick(kKnownKeys);
        fill_random(value);
        note("put key " + value.key + " as " + gguf_type_name(value.type));
        if (!dice_.chance(10))
            model_.erase(value.key);
        model_.values.push_back(std::move(value));
    }

    void edit_hyperparameter() {
        static const std::vector<std::string> keys = {
            "bert.block_count",          "bert.context_length",
            "bert.embedding_length",     "bert.feed_forward_length",
            "bert.attention.head_count", "bert.attention.head_count_kv",
            "bert.attention.key_length", "bert.attention.value_length",
            "bert.embedding_length_out", "bert.pooling_type",
            "bert.expert_count",         "bert.expert_used_count",
            "bert.nextn_predict_layers", "tokenizer.ggml.token_type_count",
            "bert.vocab_size",           "bert.rope.dimension_count"};
        if (dice_.chance(15)) {
            note("epsilon");
            return model_.put_f32("bert.attention.layer_norm_epsilon", dice_.real());
        }
        const std::string key = dice_.pick(keys);
        const auto value = static_cast<uint32_t>(dice_.number());
        note(key + " = " + std::to_string(value));
        if (dice_.chance(85))
            return model_.put_u32(key, value);
        const std::vector<uint32_t> each(1 + dice_.below(4), value);
        model_.put_array(key, dice_.chance(50) ? GgufType::U32 : GgufType::I32, each.size(),
                         each.data(), each.size() * 4);
    }

    static uint64_t bytes_for(uint32_t type, const std::vector<int64_t>& shape) {
        const TensorTypeInfo* info = tensor_type_info(type);
        uint64_t elements = 1;
        for (const int64_t d : shape)
            elements *= static_cast<uint64_t>(d);
        return elements / info->block_elements * info->block_bytes;
    }

    /// Leaves the file well formed: bytes fit type and shape wherever that is possible.
    void edit_tensor() {
        if (model_.tensors.empty())
            return;
        TensorData& tensor = dice_.pick_from(model_.tensors);
        switch (dice_.below(7)) {
        case 0:
            note("erase tensor " + tensor.name);
            model_.erase_tensor(std::string(tensor.name));
            return;
        case 1: {
            TensorData& other = dice_.pick_from(model_.tensors);
            note("swap names of " + tensor.name + " and " + other.name);
            std::swap(tensor.name, other.name);
            return;
        }
        case 2: {
            const uint32_t type = dice_.pick(kTensorTypes);
            note("type of " + tensor.name + " to " +
                 tensor_type_name(static_cast<TensorType>(type)));
            tensor.type = type;
            resize(tensor);
            return;
        }
        case 3: {
            note("shape of " + tensor.name);
            if (dice_.chance(30) && tensor.shape.size() == 2)
                std::swap(tensor.shape[0], tensor.shape[1]);
            else if (dice_.chance(30))
                tensor.shape.push_back(1 + static_cast<int64_t>(dice_.below(3)));
            else
                tensor.shape[dice_.below(tensor.shape.size())] =
                    static_cast<int64_t>(dice_.chance(70) ? 1 + dice_.below(300) : dice_.number());
            resize(tensor);
            return;
        }
        case 4: {
            static const std::vector<std::string> names = {"cls.weight",
                                                           "cls.bias",
                                                           "cls.output.weight",
                                                           "cls.output.bias",
                                                           "cls.norm.weight",
                                                           "blk.0.attn_qkv.weight",
                                                           "blk.0.attn_qkv.bias",
                                                           "blk.0.attn_q_norm.weight",
                                                           "blk.0.ffn_gate.weight",
                                                           "blk.0.ffn_gate_inp.weight",
                                                           "blk.0.attn_q.scale",
                                                           "blk.0.attn_q.input_scale",
                                                           "blk.1.attn_norm_2.weight",
                                                           "output.weight",
                                                           "output_norm.weight",
                                                           "rope_freqs.weight",
                                                           "blk.99.attn_q.weight",
                                                           "%s%n"};
            TensorData extra = tensor;
            extra.name = dice_.pick(names);
            note("copy " + tensor.name + " as " + extra.name);
            model_.tensors.push_back(std::move(extra));
            return;
        }
        case 5:
            note("order of tensors");
            std::swap(tensor, dice_.pick_from(model_.tensors));
            return;
        default:
            note("offset of " + tensor.name);
            tensor.offset = dice_.number();
        }
    }

    void resize(TensorData& tensor) {
        constexpr uint64_t kMost = 4 << 20;
        bool sensible = true;
        for (const int64_t d : tensor.shape)
            sensible = sensible && d > 0 && d < 100000;
        if (sensible && bytes_for(tensor.type, tensor.shape) < kMost)
            tensor.bytes.resize(bytes_for(tensor.type, tensor.shape), 0x3c);
    }

    /// Any bits are a number: this must be computed, not refused.
    void spoil_weights() {
        if (model_.tensors.empty())
            return;
        TensorData& tensor = dice_.pick_from(model_.tensors);
        note("weights of " + tensor.name);
        std::vector<uint8_t>& bytes = tensor.bytes;
        if (dice_.chance(50) || bytes.size() < 4) {
            for (uint8_t& b : bytes)
                b = static_cast<uint8_t>(dice_.next());
        } else if (tensor.type == static_cast<uint32_t>(TensorType::F32)) {
            for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
                const float value = dice_.real();
                std::memcpy(&bytes[i], &value, 4);
            }
        } else {
            std::fill(bytes.begin(), bytes.end(),
                      static_cast<uint8_t>(dice_.chance(50) ? 0xff : 0));
        }
    }

    void edit_vocabulary() {
        KeyValue* tokens = model_.find("tokenizer.ggml.tokens");
        const size_t count = tokens ? static_cast<size_t>(tokens->count) : 0;
        switch (dice_.below(6)) {
        case 0: {
            note("hostile tokens");
            std::vector<std::string> list(std::min<size_t>(count, 100000));
            for (size_t i = 0; i < list.size(); ++i)
                list[i] = dice_.chance(50) ? dice_.pick(kHostileStrings) : "t" + std::to_string(i);
            if (dice_.chance(20))
                std::fill(list.begin(), list.end(), "a");
            return model_.put_strings("tokenizer.ggml.tokens", list);
        }
        case 1: {
            note("hostile scores");
            std::vector<float> scores(std::min<size_t>(count, 100000));
            for (float& s : scores)
                s = dice_.real();
            return model_.put_array("tokenizer.ggml.scores", GgufType::F32, scores.size(),
                                    scores.data(), scores.size() * 4);
        }
        case 2: {
            note("hostile token types");
            std::vector<int32_t> types(std::min<size_t>(count, 100000));
            for (int32_t& t : types)
                t = dice_.chance(70) ? static_cast<int32_t>(dice_.below(8))
                                     : static_cast<int32_t>(dice_.number());
            return model_.put_array("tokenizer.ggml.token_type", GgufType::I32, types.size(),
                                    types.data(), types.size() * 4);
        }
        case 3: {
            note("hostile charsmap");
            std::vector<uint8_t> blob(dice_.below(4000));
            for (uint8_t& b : blob)
                b = static_cast<uint8_t>(dice_.next());
            if (blob.size() >= 4 && dice_.chance(70)) { // a table size that fits, roughly
                const auto table = static_cast<uint32_t>(dice_.below(blob.size()) & ~size_t(3));
                std::memcpy(blob.data(), &table, 4);
            }
            return model_.put_array("tokenizer.ggml.precompiled_charsmap", GgufType::U8,
                                    blob.size(), blob.data(), blob.size());
        }
        default: {
            static const std::vector<std::string> ids = {
                "bos_token_id",     "eos_token_id", "unknown_token_id", "seperator_token_id",
                "padding_token_id", "cls_token_id", "mask_token_id"};
            const std::string key = dice_.pick(ids);
            note("special id " + key);
            model_.put_u32("tokenizer.ggml." + key, static_cast<uint32_t>(dice_.number()));
        }
        }
    }

    void damage_bytes() {
        std::vector<uint8_t>& bytes = out_.bytes;
        if (bytes.size() < 32)
            return;
        const size_t region = dice_.chance(80) ? std::min(header_, bytes.size()) : bytes.size();
        const size_t at = dice_.below(std::max<size_t>(region, 1));
        const size_t length = std::min<size_t>(1 + dice_.below(40), bytes.size() - at);
        const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        const auto end = begin + static_cast<std::ptrdiff_t>(length);
        switch (dice_.below(9)) {
        case 0:
        case 1:
            note("flip a bit at " + std::to_string(at));
            bytes[at] ^= static_cast<uint8_t>(1u << dice_.below(8));
            return;
        case 2:
            note("random bytes at " + std::to_string(at));
            std::generate(begin, end, [&] { return static_cast<uint8_t>(dice_.next()); });
            return;
        case 3:
            note("fill at " + std::to_string(at));
            std::fill(begin, end, static_cast<uint8_t>(dice_.chance(50) ? 0xff : 0));
            return;
        case 4:
        case 5: {
            note("number at " + std::to_string(at));
            const uint64_t value = dice_.number();
            const size_t width = dice_.chance(50) ? 4 : 8;
            if (at + width <= bytes.size())
                std::memcpy(&bytes[at], &value, width);
            return;
        }
        case 6:
            note("cut at " + std::to_string(at));
            bytes.resize(at);
            return;
        case 7:
            note("remove bytes at " + std::to_string(at));
            bytes.erase(begin, end);
            return;
        default: {
            note("repeat bytes at " + std::to_string(at));
            const std::vector<uint8_t> copy(begin, end);
            bytes.insert(begin, copy.begin(), copy.end());
        }
        }
    }

    Dice dice_;
    GgufBuilder model_;
    MutatedModel out_;
    size_t header_ = 0;
};

} // namespace

MutatedModel mutated_model(uint64_t seed) {
    return ModelMutator(seed).run();
}

} // namespace bge::test
