// The tensor half of the model check: presence, shapes, number formats, byte counts.
#pragma once

#include "model_check.h"

namespace bge {

/// Needs the hyperparameters in `spec`; adds byte counts, weight type and overrides that follow
/// from tensors.
void check_tensors(const GgufFile& file, ModelSpec& spec);

} // namespace bge
