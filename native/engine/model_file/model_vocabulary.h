// From a GGUF's tokenizer keys to the tokenizer's input.
#pragma once

#include "../tokenizer/vocabulary.h"
#include "gguf_file.h"
#include "model_check.h"

namespace bge {

/// The views point into `file`, which must live until the tokenizer is made. Throws ModelLoad when
/// a key has the wrong type; what the values mean is checked by `Tokenizer::create`.
VocabularyData read_vocabulary(const GgufFile& file, const ModelSpec& spec);

} // namespace bge
