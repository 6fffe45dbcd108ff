// The modules of sentence-transformers that follow the pooling: Dense, LayerNorm, Normalize.
#pragma once

#include <vector>

#include "model_file/model_check.h"

namespace bge {

class SentenceModules {
  public:
    SentenceModules() = default;
    /// Of a file that `check_model` accepted.
    SentenceModules(const GgufFile& file, const ModelSpec& spec);

    /// One text's vector from its pooled state; `out` takes ModelSpec::dense_dim numbers. Sums are
    /// in double and in one order, every module's results are float32: the bits depend on the text
    /// alone.
    void apply(std::vector<float> state, float* out) const;

  private:
    struct Module {
        ModuleSpec spec;
        std::vector<float> weight; ///< Dense: outputs x inputs, row-major; LayerNorm: outputs
        std::vector<float> bias;   ///< outputs, or empty
    };
    static std::vector<float> run(const Module& module, const std::vector<float>& in);

    std::vector<Module> modules_;
};

} // namespace bge
