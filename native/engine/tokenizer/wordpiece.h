// BERT's uncased WordPiece: normalise, split into words, then the longest piece first.
#pragma once

#include <string>
#include <vector>

#include "piece_trie.h"
#include "token_sink.h"

namespace bge {

/// Equal to Hugging Face's BertNormalizer, BertPreTokenizer and WordPiece (uncased). The vocabulary
/// may be BERT's own (`##` marks the continuation of a word) or llama.cpp's (U+2581 marks the
/// beginning of one).
class WordPieceModel final : public TokenModel {
  public:
    explicit WordPieceModel(const CheckedVocabulary& vocabulary);

    void encode(std::string_view text, std::uint32_t origin, TokenSink& sink) const override;
    std::size_t memory_bytes() const override;

  private:
    class WordCollector;

    const CheckedVocabulary& vocabulary_;
    PieceTrie trie_; // keys are marked with kBegins or kContinues
};

} // namespace bge
