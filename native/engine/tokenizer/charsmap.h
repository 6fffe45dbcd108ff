// SentencePiece's `precompiled_charsmap`: a Darts double array from UTF-8 keys to replacements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bge {

/// Layout of the bytes: u32 size of the double array in bytes, the array's u32 units (all little
/// endian), then the replacements, each ended by a NUL; a key's value is its replacement's offset.
class Charsmap {
  public:
    /// Checks every state that a look-up can reach. Throws Error(ModelLoad) when one leads out of
    /// the array or of the replacements. Empty bytes make a map without keys.
    explicit Charsmap(std::string_view bytes);

    bool empty() const { return units_.empty(); }

    /// The replacement of the *shortest* key that is a prefix of `text`, or nothing. Hugging Face's
    /// `Precompiled` takes the shortest (SentencePiece itself the longest) and replaces all of
    /// `text` by it. A NUL ends the look-up, as keys are C strings.
    std::optional<std::string_view> find(std::string_view text) const;

    std::size_t memory_bytes() const {
        return units_.capacity() * sizeof(units_[0]) + replacements_.capacity();
    }

  private:
    void check_reachable() const;
    std::string_view replacement_at(std::size_t offset) const;

    std::vector<std::uint32_t> units_;
    std::string replacements_;
};

} // namespace bge
