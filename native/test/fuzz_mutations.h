// Hostile model files, one per seed, made from a small right one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bge::test {

struct MutatedModel {
    std::vector<uint8_t> bytes;
    std::string description; ///< what was done, for the report
};

/// The same seed gives the same file on every machine. About half of the seeds keep the file well
/// formed and change what it says, since damage below that level is caught early.
MutatedModel mutated_model(uint64_t seed);

} // namespace bge::test
