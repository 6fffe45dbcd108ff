// Viterbi's algorithm over the pieces that match at each character of one word.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "checked_vocabulary.h"
#include "piece_trie.h"
#include "utf8.h"

namespace bge {

/// Finds the segmentation of a word with the highest sum of scores. Equal to Hugging Face's
/// `Unigram::encode_optimized`, rounding and ties included: sums are doubles, added from the left,
/// and of two equal sums the one whose last piece is longer wins.
///
/// Holds the working memory; make one per thread and use it for many words.
class Viterbi {
  public:
    /// `scores` has one natural logarithm per id.
    Viterbi(const CheckedVocabulary& vocabulary, const PieceTrie& trie,
            const std::vector<double>& scores, double unknown_score);

    /// Calls emit(id, begin, end) for each token of `word`, in order; neighbouring unknown
    /// characters make one token. `word` must be well-formed UTF-8. Work is committed wherever all
    /// segmentations meet, so memory grows with the longest part without such a place only
    /// (4 bytes per byte), not with the word. `stopped()` is asked after each commit.
    template <class Emit, class Stopped>
    void segment(std::string_view word, Emit&& emit, Stopped&& stopped);

  private:
    static constexpr std::uint32_t kUnknownCharacter = 0xFFFFFFFFu;
    /// Bytes between two looks for a place to commit.
    static constexpr std::size_t kCommitBytes = 256;

    struct Token {
        std::uint32_t id;
        std::size_t begin, end;
    };

    void trace_back(std::string_view word, std::size_t begin, std::size_t end);

    const CheckedVocabulary& vocabulary_;
    const PieceTrie& trie_;
    const std::vector<double>& scores_;
    double unknown_score_;
    std::size_t mask_;         // of ring indices
    std::vector<double> best_; // ring: the best sum that ends at a position; -inf when none does
    /// The last piece of the best segmentation that ends at byte i of the part not yet committed.
    std::vector<std::uint32_t> last_piece_;
    std::vector<Token> path_; // the part being committed, last token first
};

template <class Emit, class Stopped>
void Viterbi::segment(std::string_view word, Emit&& emit, Stopped&& stopped) {
    const double kUnreached = -std::numeric_limits<double>::infinity();
    const std::uint32_t unknown = vocabulary_.unknown();
    std::size_t committed = 0;                      // everything before it has been emitted
    std::size_t furthest = 0;                       // the end of the longest piece seen so far
    std::size_t unknown_begin = 0, unknown_end = 0; // the open run of unknowns, if not empty
    const auto close_unknown = [&] {
        if (unknown_begin < unknown_end)
            emit(unknown, unknown_begin, unknown_end);
        unknown_begin = unknown_end = 0;
    };

    best_[0] = 0.0;
    for (std::size_t at = 0;;) {
        // When no piece crosses this place, every segmentation goes through it.
        if (furthest == at && (at == word.size() || at - committed >= kCommitBytes)) {
            trace_back(word, committed, at);
            for (auto token = path_.rbegin(); token != path_.rend(); ++token) {
                if (token->id == kUnknownCharacter || token->id == unknown) {
                    if (unknown_begin == unknown_end)
                        unknown_begin = token->begin;
                    unknown_end = token->end;
                } else {
                    close_unknown();
                    emit(token->id, token->begin, token->end);
                }
            }
            committed = at;
            if (at == word.size() || stopped())
                break;
        }
        if (at + mask_ - committed >= last_piece_.size())
            last_piece_.resize(2 * (at + mask_ - committed) + 1);

        const double here = best_[at & mask_];
        best_[at & mask_] = kUnreached;
        const std::size_t character_end = at + utf8::sequence_length(word[at]);
        const auto relax = [&](std::size_t end, double score, std::uint32_t piece) {
            const double sum = here + score;
            if (sum > best_[end & mask_]) {
                best_[end & mask_] = sum;
                last_piece_[end - committed] = piece;
            }
        };
        bool has_character = false;
        std::size_t end = at;
        for (PieceTrie::State state = trie_.root();
             end < word.size() && trie_.step(state, word[end]);) {
            ++end;
            if (state.id == PieceTrie::kNoKey)
                continue;
            relax(end, scores_[state.id], state.id);
            has_character = has_character || end == character_end;
            furthest = std::max(furthest, end);
        }
        if (!has_character) {
            relax(character_end, unknown_score_, kUnknownCharacter);
            furthest = std::max(furthest, character_end);
        }
        at = character_end;
    }
    close_unknown();
    if (committed == word.size())
        best_[word.size() & mask_] = kUnreached;
    else
        std::fill(best_.begin(), best_.end(), kUnreached);
}

} // namespace bge