// The engine's session as a plain call, for tests.
#pragma once

#include "../engine/session.h"

#include <cstdint>
#include <vector>

namespace bge::test {

/// The pooled state of each text (not normalised), all texts in one batch. Throws the batch's
/// error.
std::vector<std::vector<float>> embed(Session& session,
                                      const std::vector<std::vector<int32_t>>& texts);

} // namespace bge::test
