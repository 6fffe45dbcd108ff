#include "unigram.h"

#include <algorithm>
#include <string>

#include "score.h"
#include "viterbi.h"

namespace bge {

namespace {

/// Hugging Face's (and SentencePiece's) penalty of an unknown character below the worst piece.
constexpr double kUnknownPenalty = 10.0;

/// By id: normal pieces' scores, and 0 for special tokens, as in Hugging Face's vocabularies.
std::vector<double> json_scores(const CheckedVocabulary& vocabulary,
                                const std::vector<float>& scores) {
    std::vector<double> out(scores.size());
    for (std::size_t id = 0; id < scores.size(); ++id)
        out[id] = score_as_read_from_json(scores[id]);
    for (const CheckedVocabulary::Literal& special : vocabulary.literals())
        out[special.id] = 0.0;
    return out;
}

/// All that a word may be cut into: normal pieces and special tokens. Those are met only where
/// normalisation has made them, say from full-width `＜s＞`: written plainly they have been taken
/// out of the text before.
std::vector<PieceTrie::Entry> usable_pieces(const CheckedVocabulary& vocabulary) {
    std::vector<PieceTrie::Entry> entries;
    entries.reserve(vocabulary.size());
    std::vector<bool> literal(vocabulary.size(), false);
    for (const CheckedVocabulary::Literal& special : vocabulary.literals()) {
        literal[special.id] = true;
        entries.push_back({special.text, special.id});
    }
    for (std::uint32_t id = 0; id < vocabulary.size(); ++id) {
        if (!literal[id] && vocabulary.type(id) == TokenType::Normal)
            entries.push_back({vocabulary.piece(id), id});
    }
    return entries;
}

} // namespace

/// The normaliser's sink: gathers words and has each segmented.
template <bool kSpans> class UnigramModel::WordCollector {
  public:
    WordCollector(const UnigramModel& model, std::uint32_t origin, TokenSink& sink)
        : origin_(origin), sink_(sink),
          viterbi_(model.vocabulary_, model.trie_, model.scores_, model.unknown_score_) {}

    void ascii(const char* bytes, std::size_t size, std::size_t at) {
        begin_word(at);
        word_.append(bytes, size);
        if (kSpans) {
            for (std::size_t i = 0; i < size; ++i)
                source_.push_back(span(at + i, at + i + 1));
        }
    }
    void text(std::string_view bytes, std::size_t begin, std::size_t end) {
        begin_word(begin);
        word_.append(bytes);
        if (kSpans)
            source_.insert(source_.end(), bytes.size(), span(begin, end));
    }
    /// A U+2581 in the text begins a new word, as those put in front of words do.
    void metaspace(std::size_t begin, std::size_t end) {
        white_space();
        word_.append(kMetaspaceUtf8);
        if (kSpans)
            source_.insert(source_.end(), kMetaspaceUtf8.size(), span(begin, end));
    }
    void white_space() {
        if (word_.empty())
            return;
        viterbi_.segment(
            word_,
            [this](std::uint32_t id, std::size_t begin, std::size_t end) {
                sink_.add(id, kSpans ? TokenSpan{source_[begin].begin, source_[end - 1].end}
                                     : TokenSpan{0, 0});
            },
            [this] { return sink_.stopped(); });
        word_.clear();
        source_.clear();
    }
    bool stopped() const { return sink_.stopped(); }

  private:
    TokenSpan span(std::size_t begin, std::size_t end) const {
        return {origin_ + static_cast<std::uint32_t>(begin),
                origin_ + static_cast<std::uint32_t>(end)};
    }
    void begin_word(std::size_t at) {
        if (!word_.empty())
            return;
        word_.append(kMetaspaceUtf8);
        if (kSpans)
            source_.insert(source_.end(), kMetaspaceUtf8.size(), span(at, at));
    }

    const std::uint32_t origin_;
    TokenSink& sink_;
    Viterbi viterbi_;
    std::string word_;              // normalised
    std::vector<TokenSpan> source_; // where each of its bytes comes from
};

UnigramModel::UnigramModel(const CheckedVocabulary& vocabulary, const std::vector<float>& scores,
                           std::string_view charsmap)
    : UnigramModel(vocabulary, json_scores(vocabulary, scores), usable_pieces(vocabulary),
                   charsmap) {}

UnigramModel::UnigramModel(const CheckedVocabulary& vocabulary, std::vector<double> scores,
                           std::vector<PieceTrie::Entry> entries, std::string_view charsmap)
    : vocabulary_(vocabulary), normalizer_(charsmap), scores_(std::move(scores)), trie_(entries) {
    double lowest = 0.0;
    for (const PieceTrie::Entry& entry : entries)
        lowest = std::min(lowest, scores_[entry.id]);
    unknown_score_ = lowest - kUnknownPenalty;
}

void UnigramModel::encode(std::string_view text, std::uint32_t origin, TokenSink& sink) const {
    const auto run = [&](auto collector) {
        normalizer_.run(text, collector);
        if (!collector.stopped())
            collector.white_space(); // ends the last word
    };
    if (sink.with_spans())
        run(WordCollector<true>(*this, origin, sink));
    else
        run(WordCollector<false>(*this, origin, sink));
}

std::size_t UnigramModel::memory_bytes() const {
    return sizeof(*this) + trie_.memory_bytes() + normalizer_.memory_bytes() +
           scores_.capacity() * sizeof(scores_[0]);
}

} // namespace bge
