#include "checked_vocabulary.h"

#include <cmath>

#include "../error.h"
#include "utf8.h"

namespace bge {

namespace {

constexpr std::size_t kMaxPieces = 1u << 23;
/// XLM-R's longest piece has 48 bytes. The time to split a text grows with the longest piece, so a
/// hostile file must not choose it freely.
constexpr std::size_t kMaxPieceBytes = 1024;

[[noreturn]] void fail(const std::string& what) {
    throw Error(ErrorCode::ModelLoad, "the vocabulary cannot be used: " + what);
}

std::string at(std::size_t id) {
    return " (token " + std::to_string(id) + ")";
}

} // namespace

CheckedVocabulary::CheckedVocabulary(const VocabularyData& data) : kind_(data.kind) {
    const std::size_t count = data.pieces.size();
    if (count == 0)
        fail("it has no tokens");
    if (count > kMaxPieces)
        fail("it has " + std::to_string(count) + " tokens");
    if (!data.types.empty() && data.types.size() != count)
        fail("it has " + std::to_string(count) + " tokens but " +
             std::to_string(data.types.size()) + " token types");
    if (kind_ == TokenizerKind::Unigram) {
        if (data.scores.size() != count)
            fail("it has " + std::to_string(count) + " tokens but " +
                 std::to_string(data.scores.size()) + " scores");
        for (std::size_t id = 0; id < count; ++id) {
            if (!std::isfinite(data.scores[id]))
                fail("a score is not a number" + at(id));
        }
    }
    copy_types(data);
    resolve_special_ids(data);
    copy_pieces(data);
    collect_literals();
}

void CheckedVocabulary::copy_types(const VocabularyData& data) {
    types_.assign(data.pieces.size(), TokenType::Normal);
    for (std::size_t id = 0; id < data.types.size(); ++id) {
        if (data.types[id] < 0 || data.types[id] > static_cast<std::int32_t>(TokenType::Byte))
            fail("unknown token type " + std::to_string(data.types[id]) + at(id));
        types_[id] = static_cast<TokenType>(data.types[id]);
    }
}

void CheckedVocabulary::copy_pieces(const VocabularyData& data) {
    const std::size_t count = data.pieces.size();
    std::size_t total = 0;
    for (std::size_t id = 0; id < count; ++id) {
        const std::string_view piece = data.pieces[id];
        if (piece.size() > kMaxPieceBytes)
            fail("a piece has " + std::to_string(piece.size()) + " bytes" + at(id));
        if (piece.empty() && types_[id] != TokenType::Unused)
            fail("a piece is empty" + at(id));
        if (!utf8::is_well_formed(piece))
            fail("a piece is not UTF-8" + at(id));
        total += piece.size() + (id == mask_ ? 6 : 0);
    }
    if (total > 0xFFFFFFFFu)
        fail("it is too large");
    text_.reserve(total);
    offsets_.reserve(count + 1);
    offsets_.push_back(0);
    for (std::size_t id = 0; id < count; ++id) {
        text_.append(id == mask_ && types_[id] == TokenType::Unused ? "<mask>" : data.pieces[id]);
        offsets_.push_back(static_cast<std::uint32_t>(text_.size()));
    }
}

void CheckedVocabulary::resolve_special_ids(const VocabularyData& data) {
    for (const std::uint32_t id :
         {data.bos, data.eos, data.unknown, data.separator, data.padding, data.cls, data.mask}) {
        if (id != kNoToken && id >= data.pieces.size())
            fail("special token " + std::to_string(id) + " does not exist");
    }
    const auto first_of = [](std::initializer_list<std::uint32_t> ids) {
        for (const std::uint32_t id : ids) {
            if (id != kNoToken)
                return id;
        }
        return kNoToken;
    };
    const auto find = [&](std::string_view wanted) {
        for (std::size_t id = 0; id < data.pieces.size(); ++id) {
            if (data.pieces[id] == wanted)
                return static_cast<std::uint32_t>(id);
        }
        return kNoToken;
    };
    const bool unigram = kind_ == TokenizerKind::Unigram;
    begin_ = unigram ? first_of({data.bos, data.cls}) : first_of({data.cls, data.bos});
    end_ = unigram ? first_of({data.eos, data.separator}) : first_of({data.separator, data.eos});
    unknown_ = data.unknown;
    padding_ = data.padding;
    mask_ = data.mask;
    if (begin_ == kNoToken)
        begin_ = find(unigram ? "<s>" : "[CLS]");
    if (end_ == kNoToken)
        end_ = find(unigram ? "</s>" : "[SEP]");
    if (unknown_ == kNoToken)
        unknown_ = find(unigram ? "<unk>" : "[UNK]");
    if (padding_ == kNoToken)
        padding_ = find(unigram ? "<pad>" : "[PAD]");
    if (mask_ == kNoToken)
        mask_ = find(unigram ? "<mask>" : "[MASK]");
    // sentencepiece.bpe.model has no <mask>; llama.cpp's converter leaves a filler in its place.
    if (mask_ == kNoToken && unigram)
        mask_ = find("[PAD250000]");
    if (begin_ == kNoToken || end_ == kNoToken || unknown_ == kNoToken)
        fail("its begin, end or unknown token cannot be told");
}

/// Hugging Face's added tokens: matched in the raw text. `[unused5]` and the like are not.
void CheckedVocabulary::collect_literals() {
    for (std::uint32_t id = 0; id < size(); ++id) {
        const TokenType kind = type(id);
        if (id != begin_ && id != end_ && id != unknown_ && id != padding_ && id != mask_ &&
            kind != TokenType::Control && kind != TokenType::UserDefined &&
            kind != TokenType::Unknown)
            continue;
        std::string_view text = piece(id);
        // In llama.cpp's WordPiece vocabularies a word's beginning is marked, a special token's
        // not.
        constexpr std::string_view kMark = "\xE2\x96\x81";
        if (kind_ == TokenizerKind::WordPiece && text.substr(0, kMark.size()) == kMark)
            text.remove_prefix(kMark.size());
        if (!text.empty())
            literals_.push_back({std::string(text), id});
    }
}

std::size_t CheckedVocabulary::memory_bytes() const {
    return text_.capacity() + offsets_.capacity() * sizeof(offsets_[0]) +
           types_.capacity() * sizeof(types_[0]);
}

} // namespace bge
