// Text to token ids, equal to Hugging Face's fast tokenizers for XLM-RoBERTa (bge-m3) and BERT.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "checked_vocabulary.h"
#include "vocabulary.h"

namespace bge {

class TokenModel;
class PieceTrie;

/// Bytes [begin, end) of the caller's text.
struct TokenSpan {
    std::uint32_t begin;
    std::uint32_t end;
};

/// A text that is refused is read until it has so many times the tokens that it may have: enough
/// for an error message, and no megabytes for nothing.
constexpr std::size_t kCountedTimes = 32;

struct EncodeOptions {
    /// The most tokens to return, begin and end tokens included; 0 for no limit. At least 2.
    std::size_t max_tokens = 0;
    /// What to do with a longer text: cut it (and stop reading early), or return no ids and the
    /// count, for the caller's error message: the exact one up to `kCountedTimes` the limit.
    bool truncate = false;
    /// Whether to fill `Encoding::spans`.
    bool spans = false;
};

struct Encoding {
    /// Begin token, the text's tokens, end token. Empty when the text is too long to be returned.
    std::vector<std::uint32_t> ids;
    /// One per id if asked for. The begin token lies at [0, 0), the end token at [size, size) or,
    /// after a cut, behind the last token kept. Spans ascend, may overlap where one character
    /// became several tokens, and leave out white space and what the normaliser deletes.
    std::vector<TokenSpan> spans;
    /// Whether tokens were cut off to fit `max_tokens`.
    bool truncated = false;
    /// All tokens of the text, begin and end included. A lower bound after a cut, and of a text
    /// that was not read to its end: then more than `kCountedTimes` the limit.
    std::uint64_t total = 0;

    bool too_long() const { return ids.empty(); }
};

/// Immutable; every method may be called from several threads at once.
///
/// As in Hugging Face's tokenizers, special tokens written out in the text (`</s>`, `<mask>`,
/// `[SEP]` ...) become those tokens.
///
/// Ill-formed UTF-8 is read as U+FFFD. Text of 4 GiB and more is refused with Error(InvalidInput).
class Tokenizer {
  public:
    /// Throws Error(ModelLoad) when `data` cannot make a tokenizer.
    static std::shared_ptr<const Tokenizer> create(const VocabularyData& data);

    ~Tokenizer();
    Tokenizer(const Tokenizer&) = delete;
    Tokenizer& operator=(const Tokenizer&) = delete;

    Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;
    /// The number of tokens, begin and end included; keeps no ids. A text of more than `at_most` (0
    /// for no limit) is read no further: some number above it.
    std::uint64_t count(std::string_view text, std::size_t at_most = 0) const;

    const CheckedVocabulary& vocabulary() const { return *vocabulary_; }
    /// The text of a token as the vocabulary has it. Throws Error(InvalidInput) on an unknown id.
    std::string_view piece(std::uint32_t id) const;
    std::uint32_t size() const { return vocabulary_->size(); }
    /// Heap memory held, in bytes (an estimate from the containers' capacities).
    std::size_t memory_bytes() const;

  private:
    explicit Tokenizer(const VocabularyData& data);

    void run(std::string_view text, class TokenSink& sink) const;

    std::unique_ptr<const CheckedVocabulary> vocabulary_;
    std::unique_ptr<const PieceTrie> literals_;
    std::unique_ptr<const TokenModel> model_;
    bool literal_starts_[256] = {};
};

/// Turns byte spans of `text` into spans of UTF-16 code units, JavaScript's string indices. The
/// begins must ascend, as those of an Encoding do. Linear in the text's length.
void to_utf16_spans(std::string_view text, std::vector<TokenSpan>& spans);

} // namespace bge
