// bge-m3's two extra heads and the outputs they make of token states.
// Definitions: FlagEmbedding 1.4.0, BGEM3 modeling (`_sparse_embedding`, `_colbert_embedding`).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "../kernels/heads.h"
#include "tokenizer/checked_vocabulary.h"

namespace bge {

/// Which outputs a batch asks for; values as in lib/native/addon.ts.
enum Output : uint32_t { kDense = 1, kSparse = 2, kColbert = 4, kStates = 8 };

struct Heads {
    struct Sparse {
        std::vector<float> weight; ///< dim
        float bias = 0;
    };

    std::optional<Sparse> sparse;
    std::shared_ptr<const kernels::ColbertHead> colbert;
};

/// Lexical weights of one text: ids ascend, every weight is above zero.
struct SparseVector {
    std::vector<uint32_t> indices;
    std::vector<float> values;
};

/// Per token id the largest relu(w . h + b) over its occurrences, if above zero; begin, end,
/// padding and unknown tokens dropped. `states`: length x dim.
SparseVector sparse_of(const Heads::Sparse& head, const CheckedVocabulary& vocabulary,
                       const float* states, const int32_t* tokens, uint32_t length, size_t dim);

/// A row per token but the first, W h + b, of length 1: (length - 1) x dim into `out`, the rows
/// shared out to `threads` threads when they are many.
void colbert_of(const kernels::ColbertHead& head, const float* states, uint32_t length, size_t dim,
                int threads, float* out);

} // namespace bge
