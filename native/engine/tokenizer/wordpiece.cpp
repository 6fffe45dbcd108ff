#include "wordpiece.h"

#include "bert_tables.h"
#include "charsmap_normalizer.h"
#include "utf8.h"

namespace bge {

namespace {

/// First bytes of the trie's keys: whether a piece begins a word or continues one.
constexpr char kBegins = '\x01';
constexpr char kContinues = '\x02';
constexpr std::string_view kContinuationMark = "##";
/// WordPiece's `max_input_chars_per_word`: a longer word is unknown.
constexpr std::size_t kMaxWordCharacters = 100;

bool starts_with(std::string_view text, std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
}

PieceTrie make_trie(const CheckedVocabulary& vocabulary) {
    std::size_t hashes = 0, metaspaces = 0;
    for (std::uint32_t id = 0; id < vocabulary.size(); ++id) {
        hashes += starts_with(vocabulary.piece(id), kContinuationMark);
        metaspaces += starts_with(vocabulary.piece(id), kMetaspaceUtf8);
    }
    const bool marks_beginnings = metaspaces > hashes;
    const std::string_view mark = marks_beginnings ? kMetaspaceUtf8 : kContinuationMark;

    std::vector<std::string> keys(vocabulary.size());
    std::vector<PieceTrie::Entry> entries;
    entries.reserve(vocabulary.size());
    for (std::uint32_t id = 0; id < vocabulary.size(); ++id) {
        if (vocabulary.type(id) != TokenType::Normal)
            continue;
        std::string_view piece = vocabulary.piece(id);
        const bool marked = starts_with(piece, mark);
        if (marked)
            piece.remove_prefix(mark.size());
        if (piece.empty())
            continue; // the bare mark cannot match
        keys[id] = (marked == marks_beginnings ? kBegins : kContinues) + std::string(piece);
        entries.push_back({keys[id], id});
    }
    return PieceTrie(entries);
}

} // namespace

/// Normalises, gathers words and has each cut into pieces.
class WordPieceModel::WordCollector {
  public:
    WordCollector(const WordPieceModel& model, std::uint32_t origin, TokenSink& sink)
        : model_(model), origin_(origin), sink_(sink) {}

    void run(std::string_view text) {
        for (std::size_t at = 0; at < text.size() && !sink_.stopped();) {
            const utf8::CodePoint c = utf8::decode(text.data() + at, text.size() - at);
            source_ = {origin_ + static_cast<std::uint32_t>(at),
                       origin_ + static_cast<std::uint32_t>(at + c.size)};
            character(c.value);
            at += c.size;
        }
        end_word();
    }

  private:
    void character(std::uint32_t code) {
        const std::uint16_t action = bert::action(code);
        switch (action) {
        case bert::kIdentity:
            return append(code);
        case bert::kWhiteSpace:
            return end_word();
        case bert::kPunctuation:
        case bert::kIdeograph:
            return single_character_word(code);
        case bert::kHangul:
            return hangul(code);
        default:
            break;
        }
        const std::uint32_t* mapping = bert::kMappings + (action - bert::kMapped);
        const std::uint32_t length = mapping[0] & 0xFFu;
        const bool ideograph = (mapping[0] & 0x100u) != 0;
        if (ideograph)
            end_word();
        for (std::uint32_t i = 1; i <= length; ++i) {
            if (bert::action(mapping[i]) == bert::kPunctuation)
                single_character_word(mapping[i]);
            else
                append(mapping[i]);
        }
        if (ideograph)
            end_word();
    }

    /// Canonical decomposition of a Hangul syllable (The Unicode Standard, section 3.12).
    void hangul(std::uint32_t code) {
        const std::uint32_t index = code - 0xAC00u;
        append(0x1100u + index / (21 * 28));
        append(0x1161u + index % (21 * 28) / 28);
        if (index % 28 != 0)
            append(0x11A7u + index % 28);
    }

    void single_character_word(std::uint32_t code) {
        end_word();
        append(code);
        end_word();
    }

    void append(std::uint32_t code) {
        if (characters_ == 0)
            word_source_ = source_;
        word_source_.end = source_.end;
        // A longer word is unknown as a whole: its text is not needed.
        if (++characters_ > kMaxWordCharacters)
            return;
        char bytes[4];
        const std::size_t size = utf8::encode(code, bytes);
        word_.append(bytes, size);
        sources_.insert(sources_.end(), size, source_);
    }

    void end_word() {
        if (characters_ == 0)
            return;
        if (characters_ > kMaxWordCharacters || !cut()) {
            sink_.add(model_.vocabulary_.unknown(), word_source_);
        } else {
            for (const Piece& piece : pieces_)
                sink_.add(piece.id, {sources_[piece.begin].begin, sources_[piece.end - 1].end});
        }
        characters_ = 0;
        word_.clear();
        sources_.clear();
    }

    /// Cuts the word into `pieces_`, at each place the longest piece; false when there is none.
    bool cut() {
        pieces_.clear();
        for (std::size_t begin = 0; begin < word_.size();) {
            PieceTrie::State state = model_.trie_.root();
            Piece longest{0, begin, begin};
            if (model_.trie_.step(state, begin == 0 ? kBegins : kContinues)) {
                for (std::size_t i = begin; i < word_.size() && model_.trie_.step(state, word_[i]);
                     ++i) {
                    if (state.id != PieceTrie::kNoKey)
                        longest = {state.id, begin, i + 1};
                }
            }
            if (longest.end == begin)
                return false;
            pieces_.push_back(longest);
            begin = longest.end;
        }
        return true;
    }

    struct Piece {
        std::uint32_t id;
        std::size_t begin, end;
    };

    const WordPieceModel& model_;
    const std::uint32_t origin_;
    TokenSink& sink_;
    TokenSpan source_{0, 0};         // of the character being read
    TokenSpan word_source_{0, 0};    // of the word so far
    std::size_t characters_ = 0;     // of the word so far
    std::string word_;               // normalised
    std::vector<TokenSpan> sources_; // where each of its bytes comes from
    std::vector<Piece> pieces_;
};

WordPieceModel::WordPieceModel(const CheckedVocabulary& vocabulary)
    : vocabulary_(vocabulary), trie_(make_trie(vocabulary)) {}

void WordPieceModel::encode(std::string_view text, std::uint32_t origin, TokenSink& sink) const {
    WordCollector(*this, origin, sink).run(text);
}

std::size_t WordPieceModel::memory_bytes() const {
    return sizeof(*this) + trie_.memory_bytes();
}

} // namespace bge
