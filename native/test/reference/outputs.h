// From token states to the three outputs, in float64, as FlagEmbedding defines them.
#pragma once

#include "encoder.h"

#include <map>
#include <optional>

namespace bge::reference {

/// bge-m3's sparse (dim -> 1) and ColBERT (dim -> dim) layers.
struct Heads {
    std::vector<double> sparse_weight; ///< dim
    double sparse_bias = 0;
    std::vector<double> colbert_weight; ///< dim x dim, row-major [out][in]
    std::vector<double> colbert_bias;   ///< dim
};

struct Outputs {
    std::vector<double> dense;         ///< dim; L2-normalised
    std::map<int32_t, double> sparse;  ///< token id -> weight > 0
    std::vector<double> colbert;       ///< (tokens - 1) x dim; each row L2-normalised
    std::vector<double> token_weights; ///< the sparse weight of each token before pooling
};

/// The heads that our converter puts into a GGUF as keys (bge_m3_node.*), if they are there.
std::optional<Heads> heads_in(const GgufFile& file);

/// Heads from two files of little-endian float32: weight then bias; dim + 1 and dim * dim + dim
/// numbers.
Heads heads_from(const std::string& sparse_path, const std::string& colbert_path, size_t dim);

/// Dense always; sparse and ColBERT when there are heads. The ids dropped from sparse are
/// XLM-RoBERTa's <s>, <pad>, </s>, <unk> (0 to 3). ColBERT leaves out the first token.
Outputs outputs_of(const std::vector<double>& states, const std::vector<int32_t>& ids, size_t dim,
                   bool mean_pooling, const std::optional<Heads>& heads);

} // namespace bge::reference
