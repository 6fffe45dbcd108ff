// What a tokenizer is made from: plain data, as a GGUF's metadata holds it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace bge {

enum class TokenizerKind {
    Unigram,   ///< `tokenizer.ggml.model` = "t5": SentencePiece unigram (XLM-RoBERTa)
    WordPiece, ///< `tokenizer.ggml.model` = "bert": BERT, uncased
};

/// Values of `tokenizer.ggml.token_type`.
enum class TokenType : std::int32_t {
    Undefined = 0,
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
};

/// Stands for "the file names no such token".
constexpr std::uint32_t kNoToken = 0xFFFFFFFFu;

/// Input of `Tokenizer::create`, which copies what it keeps: the views need not outlive the call.
/// Nothing here is trusted; `create` checks all of it.
struct VocabularyData {
    TokenizerKind kind = TokenizerKind::Unigram;
    /// `tokenizer.ggml.tokens`; the index is the token's id.
    std::vector<std::string_view> pieces;
    /// `tokenizer.ggml.scores`, natural logarithms. Unigram: one per piece. WordPiece: not used.
    std::vector<float> scores;
    /// `tokenizer.ggml.token_type`: one per piece, or empty when the file has none.
    std::vector<std::int32_t> types;
    /// `tokenizer.ggml.precompiled_charsmap`; empty for no normalisation.
    std::string_view charsmap;

    // `tokenizer.ggml.<name>_token_id`; what is missing is looked up by its usual spelling.
    std::uint32_t bos = kNoToken;
    std::uint32_t eos = kNoToken;
    std::uint32_t unknown = kNoToken;
    std::uint32_t separator = kNoToken; ///< `seperator_token_id` (sic) in older files
    std::uint32_t padding = kNoToken;
    std::uint32_t cls = kNoToken;
    std::uint32_t mask = kNoToken;
};

} // namespace bge
