// The unigram language model of SentencePiece: the most probable way to cut a word into pieces.
#pragma once

#include "charsmap_normalizer.h"
#include "piece_trie.h"
#include "token_sink.h"

namespace bge {

/// Hugging Face's XLM-RoBERTa pipeline: normalise, split at white space, put U+2581 before each
/// word, then for each word Viterbi over all pieces.
class UnigramModel final : public TokenModel {
  public:
    /// `scores` has one natural logarithm per piece. Throws Error(ModelLoad).
    UnigramModel(const CheckedVocabulary& vocabulary, const std::vector<float>& scores,
                 std::string_view charsmap);

    void encode(std::string_view text, std::uint32_t origin, TokenSink& sink) const override;
    std::size_t memory_bytes() const override;

  private:
    template <bool kSpans> class WordCollector;

    UnigramModel(const CheckedVocabulary& vocabulary, std::vector<double> scores,
                 std::vector<PieceTrie::Entry> entries, std::string_view charsmap);

    const CheckedVocabulary& vocabulary_;
    CharsmapNormalizer normalizer_;
    std::vector<double> scores_; // by id
    PieceTrie trie_;
    double unknown_score_ = 0.0; // of one character that is no piece
};

} // namespace bge
