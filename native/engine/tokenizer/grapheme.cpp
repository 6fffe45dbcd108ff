#include "grapheme.h"

namespace bge::unicode {

namespace {

constexpr unsigned bit(GraphemeBreak b) {
    return 1u << static_cast<unsigned>(b);
}

using GB = GraphemeBreak;

constexpr unsigned kAnyMark = bit(GB::Extend) | bit(GB::ZWJ) | bit(GB::SpacingMark); // GB9, GB9a
constexpr unsigned kNotControl = 0x7FFFu & ~(bit(GB::CR) | bit(GB::LF) | bit(GB::Control));

/// For each class, the set of classes that may follow it inside a cluster.
constexpr unsigned kMayJoin[15] = {
    kAnyMark,                                                        // Other
    bit(GB::LF),                                                     // CR: GB3
    0,                                                               // LF: GB4
    0,                                                               // Control: GB4
    kAnyMark | bit(GB::Other),                                       // Extend: GB9c
    kAnyMark | bit(GB::Other) | bit(GB::ExtendedPictographic),       // ZWJ: GB9c, GB11
    kAnyMark | bit(GB::RegionalIndicator),                           // GB12, GB13
    kNotControl,                                                     // Prepend: GB9b
    kAnyMark | bit(GB::Other),                                       // SpacingMark
    kAnyMark | bit(GB::L) | bit(GB::V) | bit(GB::LV) | bit(GB::LVT), // L: GB6
    kAnyMark | bit(GB::V) | bit(GB::T),                              // V: GB7
    kAnyMark | bit(GB::T),                                           // T: GB8
    kAnyMark | bit(GB::V) | bit(GB::T),                              // LV: GB7
    kAnyMark | bit(GB::T),                                           // LVT: GB8
    kAnyMark,                                                        // ExtendedPictographic
};

} // namespace

bool may_join(GraphemeBreak a, GraphemeBreak b) {
    return (kMayJoin[static_cast<unsigned>(a)] & bit(b)) != 0;
}

bool ClusterWalk::joins(Properties next) {
    const GraphemeBreak b = next.grapheme_break();
    bool joined = may_join(last_, b);
    // Four pairs depend on what came before them.
    if (joined && last_ != GB::Prepend) {
        if (b == GB::Other)
            joined =
                conjunct_ == Conjunct::Linked && next.conjunct_break() == ConjunctBreak::Consonant;
        else if (b == GB::ExtendedPictographic)
            joined = emoji_ == Emoji::Joined;
        else if (b == GB::RegionalIndicator)
            joined = odd_regional_indicators_;
    }
    if (joined)
        advance(next);
    return joined;
}

void ClusterWalk::advance(Properties next) {
    const GraphemeBreak b = next.grapheme_break();
    odd_regional_indicators_ = b == GB::RegionalIndicator && !odd_regional_indicators_;

    if (b == GB::ExtendedPictographic)
        emoji_ = Emoji::Pictographic;
    else if (b == GB::ZWJ && emoji_ == Emoji::Pictographic)
        emoji_ = Emoji::Joined;
    else if (!(b == GB::Extend && emoji_ == Emoji::Pictographic))
        emoji_ = Emoji::None;

    switch (next.conjunct_break()) {
    case ConjunctBreak::Consonant:
        conjunct_ = Conjunct::Consonant;
        break;
    case ConjunctBreak::Linker:
        if (conjunct_ == Conjunct::Consonant)
            conjunct_ = Conjunct::Linked;
        break;
    case ConjunctBreak::Extend:
        break;
    case ConjunctBreak::None:
        conjunct_ = Conjunct::None;
        break;
    }
    last_ = b;
}

} // namespace bge::unicode
