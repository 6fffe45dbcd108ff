// The model check: what it accepts, what it makes of it, and that it refuses everything that
// llama.cpp would crash on or compute wrongly.
#include "check.h"

#include "../engine/model_file/gguf_file.h"
#include "../engine/model_file/model_check.h"
#include "tiny_model.h"

#include <cmath>
#include <functional>
#include <limits>

using namespace bge;
using namespace bge::test;

namespace {

using Edit = std::function<void(GgufBuilder&)>;

ModelSpec spec_of(const GgufBuilder& builder) {
    const TempFile file(builder.build());
    return check_model(GgufFile(file.path()));
}

ModelSpec spec_with(const Edit& edit) {
    GgufBuilder b = tiny_model();
    edit(b);
    return spec_of(b);
}

void check_refused(const Edit& edit, const std::string& expected) {
    GgufBuilder b = tiny_model();
    edit(b);
    std::string message = "accepted";
    try {
        spec_of(b);
    } catch (const Error& e) {
        CHECK(e.code() == ErrorCode::ModelLoad);
        message = e.what();
    }
    if (message.find(expected) == std::string::npos)
        check::fail(__FILE__, __LINE__, "expected \"" + expected + "\", got \"" + message + "\"");
}

bool warns(const ModelSpec& spec, const std::string& about) {
    for (const std::string& warning : spec.warnings)
        if (warning.find(about) != std::string::npos)
            return true;
    return false;
}

template <class T> const T* override_of(const ModelSpec& spec, const std::string& key) {
    for (const MetadataOverride& o : spec.overrides)
        if (o.key == key)
            return std::get_if<T>(&o.value);
    return nullptr;
}

TensorData f32_tensor(const std::string& name, std::vector<int64_t> shape) {
    TensorData t;
    t.name = name;
    t.shape = std::move(shape);
    int64_t count = 1;
    for (const int64_t d : t.shape)
        count *= d;
    t.bytes = encode_tensor(std::vector<float>(static_cast<size_t>(count), 0.5f), TensorType::F32);
    return t;
}

void put_per_layer(GgufBuilder& b, const std::string& key, const std::vector<uint32_t>& each) {
    b.put_array(key, GgufType::U32, each.size(), each.data(), each.size() * sizeof(uint32_t));
}

} // namespace

TEST("a right model is described") {
    const ModelSpec spec = spec_of(tiny_model());
    CHECK_EQ(spec.architecture, "bert");
    CHECK_EQ(spec.name, "tiny test model");
    CHECK_EQ(spec.layers, 2u);
    CHECK_EQ(spec.dim, 64u);
    CHECK_EQ(spec.heads, 4u);
    CHECK_EQ(spec.ffn, 128u);
    CHECK_EQ(spec.context_length, 64u);
    CHECK_EQ(spec.vocab_size, 1000u);
    CHECK_EQ(spec.token_types, 1u);
    CHECK_EQ(spec.norm_eps, 1e-5f);
    CHECK(spec.pooling == std::vector{Pooling::Cls});
    CHECK(spec.vocabulary_kind == VocabularyKind::Unigram);
    CHECK(!spec.standin && !spec.sparse_head && !spec.colbert_head);
    CHECK_EQ(spec.weight_type, "Q8_0");
    const uint64_t matrix_elements = 2 * (4 * 64 * 64 + 2 * 64 * 128);
    CHECK_EQ(spec.matrix_bytes, matrix_elements / 32 * 34);
    CHECK_EQ(spec.table_bytes, uint64_t(64 * 1000 / 32 * 34 + 64 * 64 * 4 + 64 * 4));
    CHECK_EQ(spec.largest_tensor_bytes, 64u * 1000 / 32 * 34);
    CHECK(spec.weight_bytes > spec.matrix_bytes + spec.table_bytes);
    CHECK(spec.weight_bytes < spec.file_bytes);
    CHECK(spec.parameters > matrix_elements + 64 * 1065);

    CHECK_EQ(*override_of<std::string>(spec, "tokenizer.ggml.model"), "no_vocab");
    CHECK_EQ(*override_of<int64_t>(spec, "bert.vocab_size"), 1000);
    CHECK_EQ(*override_of<int64_t>(spec, "tokenizer.ggml.token_type_count"), 1);
    CHECK_EQ(*override_of<bool>(spec, "bert.attention.causal"), false);
}

TEST("number formats, pooling and vocabularies that are accepted") {
    for (const TensorType type :
         {TensorType::F32, TensorType::F16, TensorType::BF16, TensorType::Q8_0, TensorType::Q4_0}) {
        TinyShape shape;
        shape.matrices = shape.tables = type;
        CHECK_EQ(spec_of(tiny_model(shape)).weight_type, tensor_type_name(type));
    }
    TinyShape mean;
    mean.pooling = 1;
    mean.unigram = false;
    mean.vocab = 500;
    const ModelSpec spec = spec_of(tiny_model(mean));
    CHECK(spec.pooling == std::vector{Pooling::Mean} &&
          spec.vocabulary_kind == VocabularyKind::WordPiece);
    CHECK(!spec.padding_has_no_position && spec_of(tiny_model()).padding_has_no_position);
    CHECK(spec.warnings.size() == 0);
}

TEST("heads inside") {
    TinyShape shape;
    shape.heads_inside = true;
    GgufBuilder b = tiny_model(shape);
    ModelSpec spec = spec_of(b);
    CHECK(spec.sparse_head && spec.colbert_head);
    b.erase("bge_m3_node.colbert_linear.weight");
    b.erase("bge_m3_node.colbert_linear.bias");
    spec = spec_of(b);
    CHECK(spec.sparse_head && !spec.colbert_head);
    b.put_bool("bge_m3_node.standin", true);
    CHECK(spec_of(b).standin);

    // rows of another width than the states
    const std::vector<float> zeros(size_t(32) * shape.dim);
    const auto put = [&](const char* name, size_t count) {
        b.put_array(name, GgufType::F32, count, zeros.data(), count * sizeof(float));
    };
    put("bge_m3_node.colbert_linear.bias", 32);
    put("bge_m3_node.colbert_linear.weight", size_t(32) * shape.dim);
    CHECK(spec_of(b).colbert_head);
    put("bge_m3_node.colbert_linear.bias", 31);
    CHECK_THROWS(spec_of(b), ErrorCode::ModelLoad); // another width than the weight's
    b.erase("bge_m3_node.colbert_linear.bias");
    b.erase("bge_m3_node.colbert_linear.weight");

    b.erase("bge_m3_node.sparse_linear.bias");
    CHECK_THROWS(spec_of(b), ErrorCode::ModelLoad);
    put_per_layer(b, "bge_m3_node.sparse_linear.bias", {0});
    CHECK_THROWS(spec_of(b), ErrorCode::ModelLoad); // not u16 or f32
    const float two[] = {0, 0};
    b.put_array("bge_m3_node.sparse_linear.bias", GgufType::F32, 2, two, sizeof two);
    CHECK_THROWS(spec_of(b), ErrorCode::ModelLoad); // one element too many
    b.put_array("bge_m3_node.sparse_linear.bias", GgufType::F32, 1, two, sizeof two[0]);
    CHECK(spec_of(b).sparse_head);
}

// What converters of different ages and makers leave out or add. None of it changes a number.
TEST("published files' variations load") {
    CHECK(warns(spec_with([](GgufBuilder& b) { b.erase("bert.pooling_type"); }), "how to pool"));
    CHECK(warns(spec_with([](GgufBuilder& b) { b.put_u32("bert.pooling_type", 0); }), "pool"));
    spec_with([](GgufBuilder& b) { b.erase("bert.attention.causal"); });
    spec_with([](GgufBuilder& b) { b.erase("general.name"); });
    spec_with([](GgufBuilder& b) { b.erase("general.file_type"); });
    spec_with([](GgufBuilder& b) { b.erase("tokenizer.ggml.pre"); });
    spec_with([](GgufBuilder& b) { b.put_bool("bert.normalize_embeddings", true); });
    spec_with([](GgufBuilder& b) { b.put_strings("general.tags", {"mteb", "embeddings"}); });
    CHECK(
        warns(spec_with([](GgufBuilder& b) { b.erase("tokenizer.ggml.token_type"); }), "special"));
    CHECK(warns(spec_with([](GgufBuilder& b) { b.put_u32("bert.vocab_size", 7); }), "vocab_size"));
    CHECK(warns(spec_with([](GgufBuilder& b) { b.put_f32("bert.rope.freq_base", 10000); }),
                "rope.freq_base"));

    ModelSpec spec = spec_with([](GgufBuilder& b) { b.erase_tensor("token_types.weight"); });
    CHECK(warns(spec, "token type table"));
    CHECK_EQ(*override_of<int64_t>(spec, "tokenizer.ggml.token_type_count"), 1);

    spec = spec_with([](GgufBuilder& b) { b.erase("tokenizer.ggml.token_type_count"); });
    CHECK_EQ(*override_of<int64_t>(spec, "tokenizer.ggml.token_type_count"), 1);

    spec = spec_with([](GgufBuilder& b) {
        b.erase_tensor("token_types.weight");
        b.erase("tokenizer.ggml.token_type_count");
    });
    CHECK_EQ(*override_of<int64_t>(spec, "tokenizer.ggml.token_type_count"), 1);

    spec = spec_with([](GgufBuilder& b) { // BERT has two
        *b.find_tensor("token_types.weight") = f32_tensor("token_types.weight", {64, 2});
    });
    CHECK_EQ(*override_of<int64_t>(spec, "tokenizer.ggml.token_type_count"), 2);

    spec = spec_with([](GgufBuilder& b) { put_per_layer(b, "bert.attention.head_count", {4, 4}); });
    CHECK_EQ(spec.heads, 4u);
    spec_with([](GgufBuilder& b) { b.put_u32("bert.attention.head_count_kv", 4); });
    spec_with([](GgufBuilder& b) { b.put_u32("bert.attention.key_length", 16); });
    spec_with([](GgufBuilder& b) { b.put_u32("bert.expert_count", 0); });

    // projections in one tensor, no biases
    spec_with([](GgufBuilder& b) {
        for (const char* name : {"q", "k", "v"}) {
            b.erase_tensor(std::string("blk.0.attn_") + name + ".weight");
            b.erase_tensor(std::string("blk.0.attn_") + name + ".bias");
        }
        b.tensors.push_back(f32_tensor("blk.0.attn_qkv.weight", {64, 192}));
        b.tensors.push_back(f32_tensor("blk.0.attn_qkv.bias", {192}));
    });
    spec_with([](GgufBuilder& b) {
        for (const char* name : {"attn_q", "attn_output", "ffn_up", "ffn_down"})
            b.erase_tensor(std::string("blk.1.") + name + ".bias");
    });
}

// The key lists of published bge-m3 files, by who converted them and when; sizes are ours.
TEST("published headers") {
    const auto strip_general = [](GgufBuilder& b) {
        for (const char* key : {"general.type", "general.name", "general.quantization_version"})
            b.erase(key);
    };
    const auto charsmap = [](GgufBuilder& b, GgufType element) {
        const std::vector<uint8_t> table(16, 0);
        b.put_array("tokenizer.ggml.precompiled_charsmap", element, table.size(), table.data(),
                    table.size());
    };
    // llama.cpp's converter of August 2024, the first that knew XLM-RoBERTa
    ModelSpec spec = spec_with([&](GgufBuilder& b) {
        b.put_string("general.basename", "bge-m3");
        b.put_string("general.size_label", "567M");
        b.put_string("general.license", "mit");
        b.put_strings("general.tags", {"sentence-transformers", "feature-extraction"});
        b.put_u32("tokenizer.ggml.cls_token_id", 0);
        b.put_u32("tokenizer.ggml.mask_token_id", 999);
        charsmap(b, GgufType::U8);
    });
    CHECK(spec.warnings.empty() && spec.pooling == std::vector{Pooling::Cls});

    // 2025: base model and languages; the type table was sometimes lost
    spec = spec_with([&](GgufBuilder& b) {
        b.put_u32("general.base_model.count", 1);
        b.put_string("general.base_model.0.name", "Bge M3");
        b.put_strings("general.languages", {"multilingual", "en"});
        b.put_bool("tokenizer.ggml.add_sep_token", true);
        b.put_string("quantize.imatrix.file", "imatrix.dat");
        b.erase_tensor("token_types.weight");
        charsmap(b, GgufType::I8);
    });
    CHECK_EQ(spec.warnings.size(), 1u);

    // Ollama's own converter: other integers, its own keys, no general.*
    spec = spec_with([&](GgufBuilder& b) {
        strip_general(b);
        const uint64_t parameters = 566700000;
        b.put_scalar("general.parameter_count", GgufType::U64, &parameters, sizeof parameters);
        b.put_bool("bert.normalize_embeddings", true);
        b.erase("tokenizer.ggml.token_type_count");
        charsmap(b, GgufType::U8);
    });
    CHECK_EQ(spec.token_types, 1u);
    CHECK(spec.name.empty());

    // its table as a list of base64 letters cannot be read; ignoring it would change token ids
    check_refused(
        [](GgufBuilder& b) {
            b.put_strings("tokenizer.ggml.precompiled_charsmap", {"A", "A", "=", "="});
        },
        "precompiled_charsmap");

    // XLM-RoBERTa's position table with the two reserved rows left in
    TinyShape uncut;
    uncut.context = 514;
    CHECK(warns(spec_of(tiny_model(uncut)), "reserved rows"));
}

TEST("other architectures are refused by name") {
    check_refused([](GgufBuilder& b) { b.put_string("general.architecture", "nomic-bert"); },
                  "rotary");
    check_refused([](GgufBuilder& b) { b.put_string("general.architecture", "t5encoder"); },
                  "relative positions");
    check_refused([](GgufBuilder& b) { b.put_string("general.architecture", "llama"); },
                  "\"llama\"");
    check_refused(
        [](GgufBuilder& b) { b.put_string("general.architecture", std::string(1000, '\n')); },
        "?????");
    check_refused([](GgufBuilder& b) { b.put_string("general.architecture", ""); }, "\"\"");
    check_refused([](GgufBuilder& b) { b.erase("general.architecture"); }, "architecture");
    check_refused([](GgufBuilder& b) { b.put_u32("general.architecture", 1); }, "expected string");
    check_refused([](GgufBuilder& b) { b.tensors.clear(); }, "vocabulary only");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.pooling_type", 4); }, "without its head");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.pooling_type", 5); }, "pooling_type");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.pooling_type", 0xffffffff); },
                  "pooling_type");
    check_refused([](GgufBuilder& b) { b.put_bool("bert.attention.causal", true); }, "generator");
    check_refused([](GgufBuilder& b) { b.put_string("tokenizer.ggml.model", "gpt2"); }, "\"gpt2\"");
}

TEST("hyperparameters out of range") {
    for (const char* key : {"bert.block_count", "bert.embedding_length", "bert.context_length",
                            "bert.feed_forward_length", "bert.attention.head_count"}) {
        for (const uint32_t value : {0u, 1000000000u, 0xffffffffu})
            check_refused([&](GgufBuilder& b) { b.put_u32(key, value); }, "");
        check_refused([&](GgufBuilder& b) { b.erase(key); }, "missing");
        check_refused([&](GgufBuilder& b) { b.put_f32(key, 2); }, "expected u32");
        check_refused([&](GgufBuilder& b) { b.put_strings(key, {"2"}); }, "expected");
    }
    check_refused([](GgufBuilder& b) { b.put_u32("bert.block_count", 3); }, "blk.2.attn_q.weight");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.block_count", 1); },
                  "not part of a BERT with 1 layers");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.block_count", 513); }, "512");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.context_length", 65); },
                  "position_embd.weight");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.attention.head_count", 5); },
                  "not a multiple");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.attention.head_count", 128); },
                  "not a multiple");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.attention.head_count_kv", 2); },
                  "head_count_kv");
    check_refused([](GgufBuilder& b) { put_per_layer(b, "bert.attention.head_count", {4}); },
                  "1 elements for 2 layers");
    check_refused(
        [](GgufBuilder& b) {
            put_per_layer(b, "bert.attention.head_count", {4, 8});
        },
        "differs");
    check_refused(
        [](GgufBuilder& b) {
            put_per_layer(b, "bert.feed_forward_length", {128, 64});
        },
        "differs");
    check_refused([](GgufBuilder& b) { put_per_layer(b, "bert.attention.head_count", {}); },
                  "0 elements");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.attention.key_length", 32); }, "key_length");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.attention.value_length", 0); },
                  "value_length");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.embedding_length_out", 32); },
                  "embedding_length_out");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.expert_count", 8); }, "expert_count");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.expert_used_count", 2); },
                  "expert_used_count");
    check_refused(
        [](GgufBuilder& b) {
            put_per_layer(b, "bert.expert_used_count", {1, 1});
        },
        "expert_used_count");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.expert_group_count", 2); },
                  "expert_group_count");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.nextn_predict_layers", 3); }, "nextn");
    check_refused([](GgufBuilder& b) { b.put_string("bert.rope.scaling.type", "su"); },
                  "rope.scaling.type");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.rope.freq_base", 1); }, "expected f32");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.rope.scaling.finetuned", 1); },
                  "expected bool");
    check_refused([](GgufBuilder& b) { b.put_u32("bert.classifier.output_labels", 1); },
                  "list of strings");
    check_refused([](GgufBuilder& b) { b.put_u32("general.name", 1); }, "expected string");
    check_refused([](GgufBuilder& b) { b.put_f32("general.file_type", 1); }, "expected u32");
    check_refused([](GgufBuilder& b) { b.put_u32("split.count", 2); }, "split");
    const float bad[] = {0, -1e-5f, std::numeric_limits<float>::quiet_NaN(),
                         std::numeric_limits<float>::infinity()};
    for (const float eps : bad)
        check_refused([&](GgufBuilder& b) { b.put_f32("bert.attention.layer_norm_epsilon", eps); },
                      "layer_norm_epsilon");
    check_refused([](GgufBuilder& b) { b.erase("bert.attention.layer_norm_epsilon"); },
                  "layer_norm_epsilon");
}

TEST("vocabularies that do not fit") {
    check_refused([](GgufBuilder& b) { b.erase("tokenizer.ggml.model"); }, "no vocabulary");
    check_refused([](GgufBuilder& b) { b.erase("tokenizer.ggml.tokens"); },
                  "tokenizer.ggml.tokens");
    check_refused([](GgufBuilder& b) { b.put_strings("tokenizer.ggml.tokens", {}); },
                  "tokenizer.ggml.tokens");
    check_refused([](GgufBuilder& b) { b.put_string("tokenizer.ggml.tokens", "a"); },
                  "expected array");
    check_refused(
        [](GgufBuilder& b) {
            put_per_layer(b, "tokenizer.ggml.tokens", {1, 2});
        },
        "list of strings");
    check_refused(
        [](GgufBuilder& b) {
            b.put_strings("tokenizer.ggml.tokens", {"a", "b"});
        },
        "1000 elements for 2 tokens");
    check_refused([](GgufBuilder& b) { b.erase("tokenizer.ggml.scores"); }, "no scores");
    check_refused([](GgufBuilder& b) { put_per_layer(b, "tokenizer.ggml.scores", {1}); },
                  "expected array of f32");
    check_refused([](GgufBuilder& b) { put_per_layer(b, "tokenizer.ggml.token_type", {1}); },
                  "1 elements for 1000 tokens");
    check_refused(
        [](GgufBuilder& b) { b.put_strings("tokenizer.ggml.precompiled_charsmap", {"A"}); },
        "array of u8");
    check_refused([](GgufBuilder& b) { b.put_f32("tokenizer.ggml.token_type_count", 1); },
                  "expected u32");
}

TEST("tensors that do not fit") {
    for (const char* name :
         {"token_embd.weight", "position_embd.weight", "token_embd_norm.weight",
          "token_embd_norm.bias", "blk.0.attn_k.weight", "blk.1.attn_output.weight",
          "blk.0.attn_output_norm.bias", "blk.1.ffn_up.weight", "blk.0.ffn_down.weight",
          "blk.1.layer_output_norm.weight"}) {
        check_refused([&](GgufBuilder& b) { b.erase_tensor(name); }, "is missing");
        check_refused([&](GgufBuilder& b) { b.find_tensor(name)->name += "x"; }, "is missing");
        check_refused(
            [&](GgufBuilder& b) {
                *b.find_tensor(name) = f32_tensor(name, {32, 3});
            },
            "shape");
        check_refused(
            [&](GgufBuilder& b) {
                *b.find_tensor(name) = f32_tensor(name, {64, 1, 2});
            },
            "shape");
    }
    // each would end in ggml's "unsupported types" or "fatal error"
    const auto as_type = [](GgufBuilder& b, const char* name, TensorType type) {
        TensorData& t = *b.find_tensor(name);
        const TensorTypeInfo& info = *tensor_type_info(static_cast<uint32_t>(type));
        int64_t count = 1;
        for (const int64_t d : t.shape)
            count *= d;
        t.type = static_cast<uint32_t>(type);
        t.bytes.assign(static_cast<size_t>(count / info.block_elements) * info.block_bytes, 0);
    };
    for (const char* name : {"token_embd_norm.weight", "blk.0.attn_q.bias", "blk.1.ffn_up.bias",
                             "blk.0.layer_output_norm.bias", "token_types.weight"})
        for (const TensorType type : {TensorType::F16, TensorType::BF16, TensorType::Q8_0,
                                      TensorType::I32, TensorType::F64})
            check_refused([&](GgufBuilder& b) { as_type(b, name, type); }, "F32");
    for (const char* name : {"token_embd.weight", "position_embd.weight", "blk.0.attn_q.weight"})
        for (const TensorType type :
             {TensorType::I8, TensorType::I16, TensorType::I32, TensorType::I64, TensorType::F64,
              TensorType::Q8_1, TensorType::NVFP4})
            check_refused([&](GgufBuilder& b) { as_type(b, name, type); }, "cannot compute");

    check_refused(
        [](GgufBuilder& b) { b.tensors.push_back(f32_tensor("rope_freqs.weight", {32})); },
        "rope_freqs");
    check_refused(
        [](GgufBuilder& b) { b.tensors.push_back(f32_tensor("blk.0.attn_q.scale", {1})); },
        "attn_q.scale");
    for (const char* name : {"cls.weight", "cls.bias", "cls.output.bias"})
        check_refused([&](GgufBuilder& b) { b.tensors.push_back(f32_tensor(name, {64})); },
                      "re-ranker");
    check_refused(
        [](GgufBuilder& b) {
            b.find_tensor("token_types.weight")->shape = {32, 2};
        },
        "shape");
    check_refused(
        [](GgufBuilder& b) {
            b.put_u32("general.alignment", 8);
            b.alignment = 8;
            // shift what follows by eight bytes
            b.tensors.insert(b.tensors.begin(), f32_tensor("cls.output.bias", {1}));
        },
        "multiple of 32");
}

namespace {

TinyShape ranking() {
    TinyShape shape;
    shape.pooling = 4;
    shape.ranks = true;
    return shape;
}

std::string refusal(const GgufBuilder& builder) {
    const TempFile file(builder.build());
    try {
        check_model(GgufFile(file.path()));
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

} // namespace

TEST("a classification head with one label makes a re-ranker") {
    const auto pooling_of = [](const std::function<void(GgufBuilder&)>& edit) {
        GgufBuilder b = tiny_model(ranking());
        edit(b);
        const TempFile file(b.build());
        return check_model(GgufFile(file.path())).pooling.at(0);
    };
    CHECK(pooling_of([](GgufBuilder&) {}) == Pooling::Rank);
    // as converters of 2024 left it, and with the labels that newer ones write
    CHECK(pooling_of([](GgufBuilder& b) { b.erase("bert.pooling_type"); }) == Pooling::Rank);
    CHECK(pooling_of([](GgufBuilder& b) {
              b.put_strings("bert.classifier.output_labels", {"LABEL_0"});
          }) == Pooling::Rank);
    CHECK(pooling_of([](GgufBuilder& b) {
              b.erase_tensor("cls.bias");
              b.erase_tensor("cls.output.bias");
          }) == Pooling::Rank);
}

TEST("a head that gives no score, or a wrong one, is refused") {
    const auto refused = [](const std::function<void(GgufBuilder&)>& edit, const char* expected) {
        GgufBuilder b = tiny_model(ranking());
        edit(b);
        const std::string why = refusal(b);
        if (why.find(expected) == std::string::npos)
            CHECK_EQ(why, std::string(expected));
    };
    refused([](GgufBuilder& b) { b.erase_tensor("cls.output.weight"); }, "without its head");
    refused([](GgufBuilder& b) { b.erase_tensor("cls.weight"); }, "BERT's pooler");
    refused([](GgufBuilder& b) { b.put_u32("bert.pooling_type", 1); }, "classification head");
    refused(
        [](GgufBuilder& b) {
            b.put_strings("bert.classifier.output_labels", {"a", "b", "c"});
        },
        "3 labels");
    refused(
        [](GgufBuilder& b) {
            *b.find_tensor("cls.output.weight") = f32_tensor("cls.output.weight", {64, 2});
        },
        "2 labels");
    refused(
        [](GgufBuilder& b) {
            *b.find_tensor("cls.weight") = f32_tensor("cls.weight", {64, 32});
        },
        "shape");
    refused(
        [](GgufBuilder& b) {
            *b.find_tensor("cls.output.bias") = f32_tensor("cls.output.bias", {2});
        },
        "shape");
    refused([](GgufBuilder& b) { b.tensors.push_back(f32_tensor("cls.norm.weight", {64})); },
            "cls.norm");
    GgufBuilder plain = tiny_model();
    plain.put_u32("bert.pooling_type", 4);
    CHECK(refusal(plain).find("without its head") != std::string::npos);
}

TEST_MAIN()
