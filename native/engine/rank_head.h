// The classification head of a re-ranker with one label: one score from a pair's first state.
#pragma once

#include <memory>
#include <vector>

namespace bge {

class GgufFile;
struct ModelSpec;

/// score = out . tanh(dense h + dense_bias) + out_bias: RobertaClassificationHead of transformers,
/// and BertPooler with its classifier, in the tensors that llama.cpp's converter writes.
struct RankHead {
    std::vector<float> dense; ///< dim x dim, row-major [out][in]
    std::vector<float> dense_bias;
    std::vector<float> out; ///< dim
    float out_bias = 0;

    /// The logit of a pair from its first token's state (dim). Sums are in double, in one order.
    float score(const float* state) const;
};

/// The head of a file that `check_model` found to be a re-ranker. Throws ModelLoad for a file that
/// was cut short meanwhile.
std::shared_ptr<const RankHead> read_rank_head(const GgufFile& file, const ModelSpec& spec);

/// What the second token type has more than the first: dim values. Empty where a pair has one type,
/// as XLM-RoBERTa's.
std::vector<float> read_second_type(const GgufFile& file, const ModelSpec& spec);

} // namespace bge
