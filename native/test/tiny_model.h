// A very small BERT in memory, right in every respect, for tests to use or to break.
#pragma once

#include "gguf_builder.h"

namespace bge::test {

struct TinyShape {
    uint32_t layers = 2;
    uint32_t dim = 64;
    uint32_t heads = 4;
    uint32_t ffn = 128;
    uint32_t context = 64;
    uint32_t vocab = 1000;
    TensorType matrices = TensorType::Q8_0; ///< F32, F16, BF16, Q8_0, Q4_0
    TensorType tables = TensorType::Q8_0;   ///< of the token table
    bool unigram = true;                    ///< else WordPiece
    uint32_t pooling = 2;                   ///< llama_pooling_type
    bool heads_inside = false;              ///< bge-m3's two extra heads as keys
    uint32_t token_types = 1;
    bool ranks = false; ///< a re-ranker's head; say pooling = 4 as well
};

/// Seeded weights (the same on every machine), a vocabulary of `vocab` made-up tokens.
GgufBuilder tiny_model(const TinyShape& shape = {}, uint64_t seed = 1);

/// Float32 values in a tensor's format; the count must be a whole number of blocks.
std::vector<uint8_t> encode_tensor(const std::vector<float>& values, TensorType type);

} // namespace bge::test
