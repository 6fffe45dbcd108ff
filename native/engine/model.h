// A model file, checked and loaded: llama.cpp's weights, our tokenizer, and what the file says of
// itself. Immutable after loading and shared by everyone in the process who loads the same file.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model_file/model_check.h"
#include "rank_head.h"
#include "sentence_modules.h"
#include "tokenizer/tokenizer.h"

struct llama_model;

namespace bge {

struct LoadOptions {
    /// UTF-8.
    std::string path;
    /// Looked at while weights are read; true ends the load with Cancelled.
    std::function<bool()> cancelled;
};

class Model {
  public:
    /// Loads a file, or returns the model already loaded from it (same path, size and time).
    /// Two callers that ask at once share one load. Throws ModelNotFound, ModelLoad, MemoryLimit,
    /// UnsupportedCpu, Cancelled.
    static std::shared_ptr<Model> load(const LoadOptions& options);

    ~Model();
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    const ModelSpec& spec() const { return spec_; }
    const Tokenizer& tokenizer() const { return *tokenizer_; }
    std::shared_ptr<const Tokenizer> shared_tokenizer() const { return tokenizer_; }
    llama_model* handle() const { return llama_.get(); }
    /// Whether texts packed into one micro-batch keep their bits: true when our kernels run all of
    /// it.
    bool packs_exactly() const { return packs_exactly_; }
    /// Of a re-ranker; null for a model that embeds.
    const RankHead* rank_head() const { return rank_head_.get(); }
    /// See `read_second_type`; empty for a model that embeds.
    const std::vector<float>& second_type() const { return second_type_; }
    /// What follows the pooling; empty for most models.
    const SentenceModules& modules() const { return modules_; }
    /// Numbers of a text's result: a dense vector's, or one score.
    size_t result_size() const { return rank_head_ ? 1 : spec_.dense_dim; }
    /// Whether attention is computed in float32 by ggml, since queries, keys and values of 16 bits
    /// would be the largest error that is left: a re-ranker whose weights are float32, and texts of
    /// no great length.
    bool float_attention() const { return float_attention_; }
    /// Bytes of the weights as loaded.
    uint64_t weight_bytes() const;

  private:
    struct LlamaDeleter {
        void operator()(llama_model* model) const;
    };

    Model() = default;
    static std::shared_ptr<Model> load_file(const LoadOptions& options);

    ModelSpec spec_;
    std::shared_ptr<const Tokenizer> tokenizer_;
    std::unique_ptr<llama_model, LlamaDeleter> llama_;
    std::shared_ptr<const RankHead> rank_head_;
    SentenceModules modules_;
    std::vector<float> second_type_;
    bool packs_exactly_ = false;
    bool float_attention_ = false;
};

/// A model's tokenizer without its weights, and the longest text in tokens.
struct TokenizerFile {
    std::shared_ptr<const Tokenizer> tokenizer;
    uint32_t context_length = 0;
};

/// Reads the file's header alone. Throws as `Model::load` does, but never MemoryLimit for weights.
TokenizerFile load_tokenizer(const std::string& path);

} // namespace bge
