// Reads attention masks: which tokens see each other.
#pragma once

#include <cstdint>
#include <vector>

#include "plan.h"

namespace bge::kernels {

/// For rows [first, last) of a tokens x tokens float16 mask: the one range of keys that is 0 while
/// all others are -infinity. False when a row is anything else.
bool read_ranges(const uint16_t* mask, int tokens, int first, int last, Sequence* ranges);

/// Turns per-row ranges into consecutive blocks in which every row sees exactly its block. False
/// when the ranges are no such blocks.
bool blocks_of(const std::vector<Sequence>& ranges, std::vector<Sequence>& blocks);

} // namespace bge::kernels
