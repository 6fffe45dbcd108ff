// The heads that turn token states into sparse weights and multi-vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels.h"

namespace bge::kernels {

/// out[i] = max(0, states[i] . w + b): a token's lexical weight (FlagEmbedding's sparse_linear with
/// ReLU). states: n rows of dim floats; dim % 16 == 0.
void head_sparse(const float* states, int n, int dim, const float* w, float b, float* out);

/// The ColBERT head's matrix, packed once. Rows are rounded to float16 if all its values fit
/// float16 exactly or `half` is set, else kept in float32.
class ColbertHead {
  public:
    /// weight: out_dim x dim floats, row-major (torch's Linear.weight); bias: out_dim floats or
    /// null. out_dim % 32 == 0, dim % 16 == 0.
    ColbertHead(const float* weight, const float* bias, int out_dim, int dim);
    /// out rows i in [begin, end): normalised (W states[i] + b), out_dim floats each. Rows do not
    /// depend on each other: threads may take parts.
    void run(const float* states, int begin, int end, float* out) const;
    int out_dim() const { return out_dim_; }
    int dim() const { return dim_; }

  private:
    int out_dim_, dim_;
    std::vector<uint8_t> packed_;
    std::vector<float> bias_;
    FloatType type_ = FloatType::F32;
};

} // namespace bge::kernels
