// The metadata half of the model check: hyperparameters and vocabulary arrays.
#pragma once

#include "model_check.h"

#include <string>

namespace bge {

/// "model file PATH: what", as ModelLoad.
[[noreturn]] void refuse_model(const GgufFile& file, const std::string& what);

/// Fills what the metadata says of the spec. Leaves `vocab_size` at the vocabulary's length.
void check_metadata(const GgufFile& file, ModelSpec& spec);

} // namespace bge
