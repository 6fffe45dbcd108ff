#include "model_check.h"

#include "gguf_file.h"
#include "model_metadata.h"
#include "model_tensors.h"

namespace bge {

ModelSpec check_model(const GgufFile& file) {
    ModelSpec spec;
    spec.file_bytes = file.file_size();
    check_metadata(file, spec);
    check_tensors(file, spec);
    spec.padding_has_no_position =
        spec.vocabulary_kind == VocabularyKind::Unigram && spec.token_types == 1;
    // Our own tokenizer reads the vocabulary, so llama.cpp gets ids only: without its vocabulary it
    // loads faster, needs less memory, and none of its tokenizer's assertions can be reached.
    spec.overrides.push_back({"tokenizer.ggml.model", std::string("no_vocab")});
    spec.overrides.push_back({"bert.vocab_size", int64_t(spec.vocab_size)});
    spec.overrides.push_back({"tokenizer.ggml.token_type_count", int64_t(spec.token_types)});
    spec.overrides.push_back({"bert.attention.causal", false});
    return spec;
}

} // namespace bge
