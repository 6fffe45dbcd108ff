// The vocabulary after every check: what the models and the public class rely on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vocabulary.h"

namespace bge {

/// Owns the pieces' text in one string.
class CheckedVocabulary {
  public:
    /// Throws Error(ModelLoad) when sizes do not agree, a type or a special id is out of range, a
    /// score is not finite, a piece is not UTF-8 or far too long, or when the special tokens that
    /// the kind needs (begin, end, unknown) cannot be told. The models check that no piece occurs
    /// twice.
    explicit CheckedVocabulary(const VocabularyData& data);

    TokenizerKind kind() const { return kind_; }
    std::uint32_t size() const { return static_cast<std::uint32_t>(offsets_.size() - 1); }
    std::string_view piece(std::uint32_t id) const {
        return std::string_view(text_).substr(offsets_[id], piece_size(id));
    }
    std::uint32_t piece_size(std::uint32_t id) const { return offsets_[id + 1] - offsets_[id]; }
    TokenType type(std::uint32_t id) const { return types_[id]; }

    std::uint32_t begin() const { return begin_; }     ///< `<s>` or `[CLS]`
    std::uint32_t end() const { return end_; }         ///< `</s>` or `[SEP]`
    std::uint32_t unknown() const { return unknown_; } ///< `<unk>` or `[UNK]`
    std::uint32_t padding() const { return padding_; } ///< kNoToken when there is none
    std::uint32_t mask() const { return mask_; }       ///< kNoToken when there is none

    /// `<s>`, `</s>`, `<pad>`, `<unk>`, `<mask>` and the like: what is no text of its own.
    bool special(std::uint32_t id) const {
        const TokenType kind = type(id);
        return kind == TokenType::Control || kind == TokenType::Unknown || id == begin_ ||
               id == end_ || id == padding_ || id == mask_;
    }

    /// A token that stands for itself in raw text, before any normalisation.
    struct Literal {
        std::string text;
        std::uint32_t id;
    };
    const std::vector<Literal>& literals() const { return literals_; }

    std::size_t memory_bytes() const;

  private:
    void copy_types(const VocabularyData& data);
    void copy_pieces(const VocabularyData& data);
    void resolve_special_ids(const VocabularyData& data);
    void collect_literals();

    TokenizerKind kind_;
    std::string text_;
    std::vector<std::uint32_t> offsets_;
    std::vector<TokenType> types_;
    std::vector<Literal> literals_;
    std::uint32_t begin_ = kNoToken;
    std::uint32_t end_ = kNoToken;
    std::uint32_t unknown_ = kNoToken;
    std::uint32_t padding_ = kNoToken;
    std::uint32_t mask_ = kNoToken;
};

} // namespace bge
