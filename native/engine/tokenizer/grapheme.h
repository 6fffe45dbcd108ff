// Extended grapheme clusters (UAX #29, rules GB3-GB999), one code point at a time.
#pragma once

#include "unicode_tables.h"

namespace bge::unicode {

/// False when there is a boundary between `a` and `b` in every context, which for most text settles
/// the question with one table look-up.
bool may_join(GraphemeBreak a, GraphemeBreak b);

/// Walks the code points of one cluster. Construct it with the first; then `joins` says of each
/// next one whether it belongs to the same cluster. After the first false, begin a new one.
class ClusterWalk {
  public:
    explicit ClusterWalk(Properties first) { advance(first); }

    bool joins(Properties next);

  private:
    enum class Emoji : std::uint8_t { None, Pictographic, Joined };
    enum class Conjunct : std::uint8_t { None, Consonant, Linked };

    void advance(Properties next);

    GraphemeBreak last_ = GraphemeBreak::Control;
    Emoji emoji_ = Emoji::None;          // GB11: Extended_Pictographic Extend* ZWJ
    Conjunct conjunct_ = Conjunct::None; // GB9c: Consonant [Extend Linker]* Linker [Extend Linker]*
    bool odd_regional_indicators_ = false; // GB12, GB13
};

} // namespace bge::unicode
