// A read-only map from byte strings to ids and scores, made for "which keys begin here?".
#pragma once

#include <cstdint>
#include <limits>
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
        std::uint32_t id;
        float score; ///< not NaN
    };

    /// Sorts `entries` by key. Throws Error(ModelLoad) on an empty key, a byte 0xFF, two equal keys
    /// or more than 2^24 units.
    explicit PieceTrie(std::vector<Entry>& entries);

    /// A position in the trie. `unit` is the place of the byte that led here.
    struct State {
        std::uint32_t base;
        std::uint32_t unit;
    };

    State root() const { return {root_base_, 0}; }

    /// Follows `byte`; false, and `state` unchanged, when no key goes on this way.
    bool step(State& state, char byte) const {
        const std::uint32_t b = static_cast<unsigned char>(byte);
        const std::uint32_t child = state.base ^ b;
        const Unit& unit = units_[child];
        if ((unit.base_and_label & 0xFFu) != b)
            return false;
        state = {unit.base_and_label >> 8, child};
        return true;
    }

    /// The score of the key that ends at `state`; NaN when none does.
    float score(const State& state) const { return units_[state.unit].score; }
    bool is_key(const State& state) const {
        const float s = score(state);
        return s == s;
    }
    /// The id of the key that ends at `state`, which must be one.
    std::uint32_t id(const State& state) const { return ids_[state.unit]; }

    /// The length of the longest key in bytes.
    std::size_t longest_key() const { return longest_key_; }
    std::size_t memory_bytes() const {
        return units_.capacity() * sizeof(Unit) + ids_.capacity() * sizeof(std::uint32_t);
    }

  private:
    struct Unit {
        std::uint32_t base_and_label = 0xFFu;
        float score = std::numeric_limits<float>::quiet_NaN();
    };
    friend class PieceTrieBuilder;

    std::vector<Unit> units_;
    std::vector<std::uint32_t> ids_;
    std::uint32_t root_base_ = 0;
    std::size_t longest_key_ = 0;
};

} // namespace bge
