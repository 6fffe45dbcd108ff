// A BERT encoder in float64, straight from the paper: what the engine's outputs are compared with.
// It takes the GGUF's header from the engine's reader and nothing else: numbers are decoded, and
// everything is computed, by code of its own. GELU is the exact one (erf).
#pragma once

#include "matrix.h"

#include "../../engine/model_file/gguf_file.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bge::reference {

/// y = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias
struct LayerNorm {
    std::vector<double> weight, bias;
    double eps = 0;
    void apply(double* row) const;
};

struct Linear {
    Matrix matrix;
    std::vector<double> bias; ///< empty for none
    void apply(const double* in, size_t rows, double* out) const {
        matrix.multiply(in, rows, bias.empty() ? nullptr : bias.data(), out);
    }
};

struct Layer {
    Linear query, key, value, output, up, down;
    LayerNorm attention_norm, output_norm;
};

class Encoder {
  public:
    /// Reads all weights of a BERT GGUF (about 8 bytes per matrix element; the token table stays
    /// in the file). Throws bge::Error or std::invalid_argument.
    explicit Encoder(const std::string& path, int threads = 2);

    size_t dim() const { return dim_; }
    size_t max_tokens() const { return context_; }
    bool mean_pooling() const { return mean_pooling_; }
    const GgufFile& file() const { return file_; }

    /// The last hidden state of every token: ids.size() x dim, row after row. Tokens from `first`
    /// on are a pair's second text: of type 1 where a BERT has it.
    std::vector<double> encode(const std::vector<int32_t>& ids, size_t first = SIZE_MAX) const;
    /// A re-ranker's score of such states; NaN for a model without a head.
    double score(const std::vector<double>& states) const;

  private:
    std::vector<double> read(const std::string& name) const;
    std::vector<double> read_if_present(const std::string& name) const;
    Linear linear(const std::string& name, size_t outputs, size_t inputs) const;
    LayerNorm norm(const std::string& name) const;
    Layer layer(size_t index) const;
    void embed(const std::vector<int32_t>& ids, size_t first, std::vector<double>& states) const;
    void attend(const Layer& layer, const std::vector<double>& states,
                std::vector<double>& out) const;

    GgufFile file_;
    int threads_;
    size_t dim_ = 0, heads_ = 0, ffn_ = 0, context_ = 0;
    double eps_ = 0;
    bool mean_pooling_ = false;
    bool two_types_ = false; ///< as BERT's tokenizer gives them
    std::vector<double> positions_;
    int32_t padding_ = -1;           ///< the token that takes no position, in XLM-RoBERTa
    std::vector<double> token_type_; ///< a row per type; one of zeros when the model has none
    LayerNorm embedding_norm_;
    std::vector<Layer> layers_;
};

} // namespace bge::reference
