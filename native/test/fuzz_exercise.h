// Everything the package does with a model file, in one call.
#pragma once

#include <string>

namespace bge::test {

/// Loads the file, tokenizes some texts and embeds them and some ids. Throws what the engine
/// throws.
void exercise_model(const std::string& path);

} // namespace bge::test
