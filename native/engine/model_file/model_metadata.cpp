#include "model_metadata.h"

#include "../error.h"
#include "file_kind.h"
#include "gguf_file.h"
#include "model_modules.h"

#include <cmath>
#include <initializer_list>
#include <optional>

namespace bge {

void refuse_model(const GgufFile& file, const std::string& what) {
    throw Error(ErrorCode::ModelLoad, "model file " + file.path() + ": " + what);
}

namespace {

// llama.cpp asserts the first; the others keep products far from any overflow in its arithmetic
// (it counts elements of some tensors in 32 bits) and are beyond every encoder there is.
constexpr uint32_t kMaxLayers = 512; // LLAMA_MAX_LAYERS
constexpr uint32_t kMaxDim = 65536;
constexpr uint32_t kMaxFfn = 1u << 20;
constexpr uint32_t kMaxContext = 1u << 20;
constexpr uint64_t kMaxVocabulary = 1u << 24;

std::string text(uint64_t number) {
    return std::to_string(number);
}

void check_architecture(const GgufFile& file) {
    const auto architecture = file.string("general.architecture");
    if (!architecture)
        refuse_model(file, "it does not name its architecture (general.architecture)");
    if (*architecture == "bert")
        return;
    struct Known {
        const char* name;
        const char* what;
    };
    constexpr Known kKnown[] = {
        {"nomic-bert", "a BERT with rotary positions"},
        {"nomic-bert-moe", "a mixture-of-experts BERT"},
        {"jina-bert-v2", "a BERT with ALiBi"},
        {"jina-bert-v3", "a BERT with rotary positions"},
        {"neo-bert", "a BERT with rotary positions"},
        {"modern-bert", "a BERT with rotary positions"},
        {"eurobert", "a BERT with rotary positions"},
        {"mpnet", "an encoder with relative positions"},
        {"t5", "an encoder-decoder"},
        {"t5encoder", "an encoder with relative positions"},
        {"gemma-embedding", "a Gemma encoder"},
        {"clip", "a vision encoder"},
    };
    std::string what = "another kind of model";
    for (const Known& known : kKnown)
        if (*architecture == known.name)
            what = known.what;
    refuse_model(file, "its architecture is " + quoted(std::string(*architecture)) + " (" + what +
                           "); only \"bert\" is supported, which is BERT and XLM-RoBERTa: bge-m3, "
                           "multilingual-e5, bge-small/base/large, all-MiniLM and the like");
}

/// A required count within 1..limit.
uint32_t required_count(const GgufFile& file, const char* key, uint32_t limit) {
    const auto value = file.u32(key);
    if (!value)
        refuse_model(file, std::string("the key ") + key + " is missing");
    if (*value == 0 || *value > limit)
        refuse_model(file,
                     std::string(key) + " is " + text(*value) + ", allowed is 1 to " + text(limit));
    return *value;
}

/// A count that llama.cpp takes as a number or as an array with one number per layer. Differing
/// layers are no BERT.
std::optional<uint32_t> count_per_layer(const GgufFile& file, const char* key, uint32_t layers) {
    const GgufValue* value = file.find(key);
    if (!value || value->type != GgufType::Array)
        return file.u32(key);
    const std::vector<int32_t> each = file.i32_array(key);
    if (each.size() != layers)
        refuse_model(file, std::string(key) + " has " + text(each.size()) + " elements for " +
                               text(layers) + " layers");
    for (const int32_t one : each)
        if (one != each[0])
            refuse_model(file, std::string(key) + " differs between layers");
    return static_cast<uint32_t>(each[0]);
}

/// Keys that must be absent or have this value: anything else makes a model that llama.cpp's BERT
/// graph cannot compute (it would end in an assertion).
void check_fixed(const GgufFile& file, const char* key, uint32_t expected) {
    const auto value = file.u32(key);
    if (value && *value != expected)
        refuse_model(file,
                     std::string(key) + " is " + text(*value) + ", expected " + text(expected));
}

void check_attention_shape(const GgufFile& file, ModelSpec& spec) {
    const auto heads = count_per_layer(file, "bert.attention.head_count", spec.layers);
    if (!heads || *heads == 0)
        refuse_model(file, "bert.attention.head_count is missing or zero");
    spec.heads = *heads;
    if (spec.heads > spec.dim || spec.dim % spec.heads != 0)
        refuse_model(file, "its hidden size " + text(spec.dim) + " is not a multiple of its " +
                               text(spec.heads) + " attention heads");
    const uint32_t head_dim = spec.dim / spec.heads;
    const auto kv_heads = count_per_layer(file, "bert.attention.head_count_kv", spec.layers);
    if (kv_heads && *kv_heads != spec.heads)
        refuse_model(file, "bert.attention.head_count_kv differs from bert.attention.head_count");
    check_fixed(file, "bert.attention.key_length", head_dim);
    check_fixed(file, "bert.attention.value_length", head_dim);
    file.u32("bert.attention.key_length_swa");
    file.u32("bert.attention.value_length_swa");
}

void check_experts(const GgufFile& file, uint32_t layers) {
    for (const char* key : {"bert.expert_count", "bert.expert_group_count",
                            "bert.expert_group_used_count", "bert.nextn_predict_layers"})
        check_fixed(file, key, 0);
    if (count_per_layer(file, "bert.expert_used_count", layers).value_or(0) != 0)
        refuse_model(file, "bert.expert_used_count is not zero: mixtures of experts are not "
                           "supported");
}

/// BERT has learned positions and its graph never rotates, but llama.cpp reads the rotation keys
/// all the same: it asserts one and throws for wrong types.
void check_rotary(const GgufFile& file, ModelSpec& spec) {
    if (const auto type = file.string("bert.rope.scaling.type"))
        if (*type != "none" && *type != "linear" && *type != "yarn" && *type != "longrope")
            refuse_model(file, "bert.rope.scaling.type is " + quoted(std::string(*type)));
    for (const char* key :
         {"bert.rope.freq_base", "bert.rope.scaling.factor", "bert.rope.scale_linear",
          "bert.rope.scaling.attn_factor", "bert.rope.scaling.alpha"})
        if (file.f32(key))
            spec.warnings.push_back(std::string(key) + " has no meaning for a BERT; ignored");
    for (const char* key : {"bert.rope.dimension_count", "bert.rope.dimension_count_swa",
                            "bert.rope.scaling.original_context_length"})
        file.u32(key);
    file.boolean("bert.rope.scaling.finetuned");
}

void check_hyperparameters(const GgufFile& file, ModelSpec& spec) {
    spec.layers = required_count(file, "bert.block_count", kMaxLayers);
    spec.dim = required_count(file, "bert.embedding_length", kMaxDim);
    spec.context_length = required_count(file, "bert.context_length", kMaxContext);
    const auto ffn = count_per_layer(file, "bert.feed_forward_length", spec.layers);
    if (!ffn || *ffn == 0 || *ffn > kMaxFfn)
        refuse_model(file, "bert.feed_forward_length is missing or out of range");
    spec.ffn = *ffn;
    const auto eps = file.f32("bert.attention.layer_norm_epsilon");
    if (!eps)
        refuse_model(file, "the key bert.attention.layer_norm_epsilon is missing");
    if (!(*eps > 0) || !std::isfinite(*eps))
        refuse_model(file, "bert.attention.layer_norm_epsilon is not a positive number");
    spec.norm_eps = *eps;
    check_attention_shape(file, spec);
    check_experts(file, spec.layers);
    check_rotary(file, spec);
    check_fixed(file, "bert.embedding_length_out", spec.dim);
    if (file.boolean("bert.attention.causal").value_or(false))
        refuse_model(file, "bert.attention.causal is true: it is a text generator, not an encoder");
}

void check_pooling(const GgufFile& file, ModelSpec& spec) {
    // llama_pooling_type: 0 none, 1 mean, 2 CLS, 3 last, 4 rank.
    const auto pooling = file.u32("bert.pooling_type");
    // converters of 2024 do not say `rank`, and some name what the encoder was pooled by; a mean
    // beside a head is neither
    if (file.find_tensor("cls.output.weight") && pooling.value_or(0) != 1) {
        spec.pooling = {Pooling::Rank};
    } else if (file.find(kPoolingKey)) {
        check_fixed(file, "bert.pooling_type", 0);
        spec.pooling = read_poolings(file);
    } else if (!pooling || *pooling == 0) {
        spec.pooling = {Pooling::Cls};
        spec.warnings.push_back("it does not say how to pool (bert.pooling_type); the first token "
                                "is taken, as bge models do");
    } else if (*pooling == 1) {
        spec.pooling = {Pooling::Mean};
    } else if (*pooling == 2) {
        spec.pooling = {Pooling::Cls};
    } else if (*pooling == 3) {
        spec.pooling = {Pooling::LastToken};
    } else if (*pooling == 4) {
        refuse_model(file, "it is a re-ranker (bert.pooling_type is 4) without its head "
                           "(cls.output.weight)");
    } else {
        refuse_model(file, "bert.pooling_type is " + text(*pooling) +
                               "; 1 (mean), 2 (first token) and 3 (last token) are supported");
    }
}

void check_vocabulary(const GgufFile& file, ModelSpec& spec) {
    const auto model = file.string("tokenizer.ggml.model");
    if (!model)
        refuse_model(file, "it has no vocabulary (tokenizer.ggml.model is missing)");
    if (*model == "t5")
        spec.vocabulary_kind = VocabularyKind::Unigram;
    else if (*model == "bert")
        spec.vocabulary_kind = VocabularyKind::WordPiece;
    else
        refuse_model(file, "its tokenizer is " + quoted(std::string(*model)) +
                               "; \"t5\" (SentencePiece unigram) and \"bert\" (WordPiece) are "
                               "supported");
    file.string("tokenizer.ggml.pre");

    const uint64_t tokens = file.array_length("tokenizer.ggml.tokens");
    const GgufValue* list = file.find("tokenizer.ggml.tokens");
    if (!list || list->element_type != GgufType::String || tokens == 0)
        refuse_model(file, "its vocabulary (tokenizer.ggml.tokens) is missing or is not a list of "
                           "strings");
    if (tokens > kMaxVocabulary)
        refuse_model(file, "its vocabulary has " + text(tokens) + " tokens");
    spec.vocab_size = static_cast<uint32_t>(tokens);

    // The WordPiece vocabulary is used by its text alone; unigram needs a score for each token.
    const std::vector<float> scores = file.f32_array("tokenizer.ggml.scores");
    if (!scores.empty() && scores.size() != tokens)
        refuse_model(file, "tokenizer.ggml.scores has " + text(scores.size()) + " elements for " +
                               text(tokens) + " tokens");
    if (scores.empty() && spec.vocabulary_kind == VocabularyKind::Unigram)
        refuse_model(file, "its unigram vocabulary has no scores (tokenizer.ggml.scores)");
    const size_t types = file.i32_array("tokenizer.ggml.token_type").size();
    if (types != 0 && types != tokens)
        refuse_model(file, "tokenizer.ggml.token_type has " + text(types) + " elements for " +
                               text(tokens) + " tokens");
    if (types == 0)
        spec.warnings.push_back("its vocabulary does not mark special tokens "
                                "(tokenizer.ggml.token_type)");
    if (spec.vocabulary_kind == VocabularyKind::Unigram &&
        file.bytes("tokenizer.ggml.precompiled_charsmap").size == 0)
        spec.warnings.push_back("its vocabulary brings no normalisation table "
                                "(tokenizer.ggml.precompiled_charsmap): accents and full-width "
                                "forms are not unified");

    // XLM-RoBERTa's table has two rows before the first position; converters cut them off.
    if (spec.vocabulary_kind == VocabularyKind::Unigram &&
        (spec.context_length == 514 || spec.context_length == 8194))
        spec.warnings.push_back("its position table has " + text(spec.context_length) +
                                " rows: if XLM-RoBERTa's two reserved rows were left in, all "
                                "vectors are wrong");

    const auto declared = file.u32("bert.vocab_size");
    if (declared && *declared != tokens)
        spec.warnings.push_back("bert.vocab_size is " + text(*declared) + ", but there are " +
                                text(tokens) + " tokens; ignored");
    spec.token_types = file.u32("tokenizer.ggml.token_type_count").value_or(0);
}

/// bge-m3's two extra heads, which our converter stores as keys (lib/model/standin/heads.ts has the
/// format): UINT16 arrays of float16 bits, or FLOAT32 arrays.
bool has_head(const GgufFile& file, const std::string& name, uint64_t inputs, uint64_t outputs) {
    const std::string prefix = "bge_m3_node." + name;
    const std::pair<const char*, uint64_t> parts[] = {{".weight", inputs * outputs},
                                                      {".bias", outputs}};
    int present = 0;
    for (const auto& [suffix, elements] : parts) {
        const GgufValue* value = file.find(prefix + suffix);
        if (!value)
            continue;
        ++present;
        if (value->type != GgufType::Array ||
            (value->element_type != GgufType::U16 && value->element_type != GgufType::F32))
            refuse_model(file, prefix + suffix + " is not an array of u16 or f32");
        if (value->count != elements)
            refuse_model(file, prefix + suffix + " has " + text(value->count) +
                                   " elements, expected " + text(elements));
    }
    if (present == 1)
        refuse_model(file, prefix + " has a weight without a bias, or a bias without a weight");
    return present == 2;
}

/// Keys that llama.cpp reads for any model and throws about when their type is another.
void check_general(const GgufFile& file, ModelSpec& spec) {
    if (const auto name = file.string("general.name"))
        spec.name = std::string(*name);
    file.u32("general.file_type");
    const GgufValue* split = file.find("split.count");
    if (split && (split->type != GgufType::U16 || file.integer("split.count").value_or(0) > 1))
        refuse_model(file, "it is one part of a split model: join the parts first (llama.cpp's "
                           "gguf-split --merge)");
    const GgufValue* labels = file.find("bert.classifier.output_labels");
    if (labels && (labels->type != GgufType::Array || labels->element_type != GgufType::String))
        refuse_model(file, "bert.classifier.output_labels is not a list of strings");
}

} // namespace

void check_metadata(const GgufFile& file, ModelSpec& spec) {
    check_architecture(file);
    spec.architecture = "bert";
    if (file.tensors().empty())
        refuse_model(file, "it holds a vocabulary only and no weights");
    check_general(file, spec);
    check_hyperparameters(file, spec);
    check_pooling(file, spec);
    check_modules(file, spec);
    check_vocabulary(file, spec);
    spec.standin = file.boolean("bge_m3_node.standin").value_or(false);
    spec.sparse_head = has_head(file, "sparse_linear", spec.dim, 1);
    // its rows may be of another width than the states: the bias has as many numbers
    const GgufValue* bias = file.find("bge_m3_node.colbert_linear.bias");
    spec.colbert_head = has_head(file, "colbert_linear", spec.dim, bias ? bias->count : spec.dim);
}

} // namespace bge
