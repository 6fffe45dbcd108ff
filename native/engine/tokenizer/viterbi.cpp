#include "viterbi.h"

namespace bge {

Viterbi::Viterbi(const CheckedVocabulary& vocabulary, const PieceTrie& trie,
                 const std::vector<double>& scores, double unknown_score)
    : vocabulary_(vocabulary), trie_(trie), scores_(scores), unknown_score_(unknown_score) {
    // From one position a piece, or an unknown character of 4 bytes, reaches so far.
    std::size_t reach = std::max<std::size_t>(trie.longest_key(), 4);
    std::size_t ring = 1;
    while (ring <= reach)
        ring *= 2;
    mask_ = ring - 1;
    best_.assign(ring, -std::numeric_limits<double>::infinity());
}

/// Fills `path_` with the best segmentation of [begin, end), from the last token to the first.
void Viterbi::trace_back(std::string_view word, std::size_t begin, std::size_t end) {
    path_.clear();
    for (std::size_t at = end; at > begin;) {
        const std::uint32_t piece = last_piece_[at - begin];
        std::size_t start = at;
        if (piece == kUnknownCharacter) {
            do
                --start;
            while ((static_cast<unsigned char>(word[start]) & 0xC0u) == 0x80u);
        } else {
            start -= vocabulary_.piece_size(piece);
        }
        path_.push_back({piece, start, at});
        at = start;
    }
}

} // namespace bge
