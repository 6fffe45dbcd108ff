// A read-only map from byte strings to ids, made for "which keys begin here?".
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace bge {

/// A double-array trie. The child of state `base` along byte b is the unit at base ^ b, if that
/// unit's label is b. No two states share a base, so the label alone proves the parent, and one
/// step reads eight bytes. Free units have the label 0xFF, which occurs in no UTF-8 text, and lead
/// to a base without children: text that is not UTF-8 cannot leave the array either.
class PieceTrie {
  public:
    struct Entry {
        std::string_view key; ///< not empty, UTF-8
        std::uint32_t id;     ///< not kNoKey
    };
    static constexpr std::uint32_t kNoKey = 0xFFFFFFFFu;

    /// Sorts `entries` by key. Throws Error(ModelLoad) on an empty key, a byte 0xFF, two equal keys
    /// or more than 2^24 units.
    explicit PieceTrie(std::vector<Entry>& entries);

    /// A place in the trie: the bytes followed so far.
    struct State {
        std::uint32_t base;
        std::uint32_t id; ///< of the key that ends here, or kNoKey
    };

    State root() const { return {root_base_, kNoKey}; }

    /// Follows `byte`; false, and `state` unchanged, when no key goes on this way.
    bool step(State& state, char byte) const {
        const std::uint32_t b = static_cast<unsigned char>(byte);
        const Unit& unit = units_[state.base ^ b];
        if ((unit.base_and_label & 0xFFu) != b)
            return false;
        state = {unit.base_and_label >> 8, unit.id};
        return true;
    }

    /// The length of the longest key in bytes.
    std::size_t longest_key() const { return longest_key_; }
    std::size_t memory_bytes() const { return units_.capacity() * sizeof(Unit); }

  private:
    struct Unit {
        std::uint32_t base_and_label = 0xFFu;
        std::uint32_t id = kNoKey;
    };
    friend class PieceTrieBuilder;

    std::vector<Unit> units_;
    std::uint32_t root_base_ = 0;
    std::size_t longest_key_ = 0;
};

} // namespace bge
