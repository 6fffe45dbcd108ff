// Decides whether a GGUF file is a model that this engine computes correctly — before llama.cpp
// opens it, since llama.cpp ends the process on many a value it does not expect.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace bge {

class GgufFile;

/// How token states become one result: as sentence-transformers 6.2's Pooling has it (its
/// `pooling_mode`), or a re-ranker's score of the first token's state.
enum class Pooling { Cls, Max, Mean, MeanSqrtLen, WeightedMean, LastToken, Rank };

/// What a Dense module does to each of its outputs: torch.nn's functions of these names.
enum class Activation { Identity, Tanh, Relu, Gelu, Sigmoid, Silu };

/// A module of sentence-transformers that stands after the pooling. Its numbers are in the file's
/// keys (model_modules.h).
struct ModuleSpec {
    enum class Kind { Dense, LayerNorm, Normalize };
    Kind kind = Kind::Normalize;
    uint32_t inputs = 0;
    uint32_t outputs = 0;
    Activation activation = Activation::Identity; ///< of Dense
    bool bias = false;                            ///< of Dense
};

/// What the file's vocabulary is cut by: SentencePiece unigram (XLM-RoBERTa; the GGUF says "t5") or
/// WordPiece ("bert").
enum class VocabularyKind { Unigram, WordPiece };

/// A metadata key that llama.cpp must see with this value, whatever the file says
/// (llama_model_params::kv_overrides).
struct MetadataOverride {
    std::string key;
    std::variant<bool, int64_t, std::string> value;
};

/// An accepted model: its shape, and what to tell llama.cpp about it.
struct ModelSpec {
    std::string architecture; ///< "bert"
    std::string name;         ///< general.name, or empty
    bool standin = false;     ///< random weights, made by `bge-m3 model standin`
    uint32_t layers = 0;
    uint32_t dim = 0;            ///< hidden size
    uint32_t dense_dim = 0;      ///< size of a dense vector: of all poolings, after all modules
    uint32_t heads = 0;          ///< dim is a multiple of it
    uint32_t ffn = 0;            ///< feed-forward size
    uint32_t context_length = 0; ///< rows of the position table = longest text in tokens
    uint32_t vocab_size = 0;
    uint32_t token_types = 0;
    float norm_eps = 0;
    /// Beside each other, in this order; of a re-ranker `Rank` alone.
    std::vector<Pooling> pooling = {Pooling::Cls};
    std::vector<ModuleSpec> modules; ///< in the order in which they are applied
    VocabularyKind vocabulary_kind = VocabularyKind::Unigram;
    /// XLM-RoBERTa numbers positions without padding tokens, also those that a text spells out;
    /// BERT (two token types, also with a unigram vocabulary: E5) counts all.
    bool padding_has_no_position = false;
    bool sparse_head = false;  ///< the file carries bge-m3's sparse head, of the right size
    bool colbert_head = false; ///< likewise its ColBERT head

    std::string weight_type; ///< of most of the matrices' bytes, e.g. "Q8_0"
    uint64_t parameters = 0; ///< elements of all tensors
    uint64_t file_bytes = 0;
    uint64_t weight_bytes = 0; ///< all tensors
    uint64_t matrix_bytes = 0; ///< those multiplied by: a repacked copy takes about this much
    uint64_t table_bytes = 0;  ///< token, position and type tables: only rows of them are read
    uint64_t largest_tensor_bytes = 0; ///< the loader stages one tensor at a time

    bool ranks() const { return pooling.front() == Pooling::Rank; }

    /// Oddities that do not change a number, worth a line in the log.
    std::vector<std::string> warnings;
    /// To be given to llama.cpp, all of them: they close every difference between what was checked
    /// here and what llama.cpp would read.
    std::vector<MetadataOverride> overrides;
};

/// Throws ModelLoad, with the reason and the way out, for anything llama.cpp would crash on,
/// refuse, or compute wrongly. Looks at the header only, never at weights: any bits are a number,
/// if perhaps NaN.
ModelSpec check_model(const GgufFile& file);

} // namespace bge
