#include "tokenizer.h"

#include <algorithm>
#include <limits>
#include <string>

#include "../error.h"
#include "piece_trie.h"
#include "token_sink.h"
#include "unigram.h"
#include "utf8.h"
#include "wordpiece.h"

namespace bge {

namespace {

std::unique_ptr<const PieceTrie> literal_trie(const CheckedVocabulary& vocabulary) {
    std::vector<PieceTrie::Entry> entries;
    for (const CheckedVocabulary::Literal& literal : vocabulary.literals())
        entries.push_back({literal.text, literal.id});
    return std::make_unique<const PieceTrie>(entries);
}

/// Tokens after which a text over the limit is read no further.
std::size_t enough_to_refuse(std::size_t max_tokens) {
    constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
    return max_tokens == 0 || max_tokens > kAll / kCountedTimes ? kAll : kCountedTimes * max_tokens;
}

} // namespace

std::shared_ptr<const Tokenizer> Tokenizer::create(const VocabularyData& data) {
    return std::shared_ptr<const Tokenizer>(new Tokenizer(data));
}

Tokenizer::Tokenizer(const VocabularyData& data)
    : vocabulary_(std::make_unique<const CheckedVocabulary>(data)),
      literals_(literal_trie(*vocabulary_)) {
    if (data.kind == TokenizerKind::Unigram)
        model_ = std::make_unique<const UnigramModel>(*vocabulary_, data.scores, data.charsmap);
    else
        model_ = std::make_unique<const WordPieceModel>(*vocabulary_);
    for (const CheckedVocabulary::Literal& literal : vocabulary_->literals())
        literal_starts_[static_cast<unsigned char>(literal.text[0])] = true;
}

Tokenizer::~Tokenizer() = default;

/// Cuts the text at the literal special tokens (leftmost first, the longest of several) and has the
/// model encode what is between them.
void Tokenizer::run(std::string_view text, TokenSink& sink) const {
    std::size_t plain_begin = 0;
    for (std::size_t at = 0; at < text.size() && !sink.stopped();) {
        if (!literal_starts_[static_cast<unsigned char>(text[at])]) {
            ++at;
            continue;
        }
        std::size_t literal_end = 0;
        std::uint32_t literal_id = 0;
        PieceTrie::State state = literals_->root();
        for (std::size_t i = at; i < text.size() && literals_->step(state, text[i]); ++i) {
            if (state.id != PieceTrie::kNoKey) {
                literal_end = i + 1;
                literal_id = state.id;
            }
        }
        if (literal_end == 0) {
            ++at;
            continue;
        }
        model_->encode(text.substr(plain_begin, at - plain_begin),
                       static_cast<std::uint32_t>(plain_begin), sink);
        if (!sink.stopped())
            sink.add(literal_id,
                     {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(literal_end)});
        at = plain_begin = literal_end;
    }
    if (!sink.stopped() && plain_begin < text.size())
        model_->encode(text.substr(plain_begin), static_cast<std::uint32_t>(plain_begin), sink);
}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
    if (text.size() >= std::numeric_limits<std::uint32_t>::max())
        throw Error(ErrorCode::InvalidInput, "a text has 4 GiB or more");
    if (options.max_tokens == 1)
        throw Error(ErrorCode::InvalidInput, "maxTokens must be at least 2");
    const std::size_t capacity =
        options.max_tokens == 0 ? std::numeric_limits<std::size_t>::max() : options.max_tokens - 2;
    const std::size_t enough = options.truncate ? capacity : enough_to_refuse(options.max_tokens);
    TokenSink sink(capacity, enough, options.spans);
    sink.open(vocabulary_->begin());
    run(text, sink);

    Encoding encoding;
    encoding.total = sink.total() + 2;
    if (sink.total() > capacity && !options.truncate)
        return encoding;
    encoding.truncated = sink.total() > capacity;
    const std::uint32_t end = encoding.truncated && options.spans
                                  ? sink.spans.back().end
                                  : static_cast<std::uint32_t>(text.size());
    sink.close(vocabulary_->end(), end);
    encoding.ids = std::move(sink.ids);
    encoding.spans = std::move(sink.spans);
    return encoding;
}

std::uint64_t Tokenizer::count(std::string_view text, std::size_t at_most) const {
    if (text.size() >= std::numeric_limits<std::uint32_t>::max())
        throw Error(ErrorCode::InvalidInput, "a text has 4 GiB or more");
    const std::size_t enough = at_most == 0 ? std::numeric_limits<std::size_t>::max()
                                            : std::max<std::size_t>(at_most, 2) - 2;
    TokenSink sink(0, enough, false);
    run(text, sink);
    return sink.total() + 2;
}

std::string_view Tokenizer::piece(std::uint32_t id) const {
    if (id >= size())
        throw Error(ErrorCode::InvalidInput, "no token has the id " + std::to_string(id));
    return vocabulary_->piece(id);
}

std::size_t Tokenizer::memory_bytes() const {
    return sizeof(*this) + vocabulary_->memory_bytes() + literals_->memory_bytes() +
           model_->memory_bytes();
}

void to_utf16_spans(std::string_view text, std::vector<TokenSpan>& spans) {
    std::size_t at = 0;
    std::uint32_t units = 0; // before byte `at`
    const auto units_before = [&](std::uint32_t byte, std::size_t from, std::uint32_t count) {
        while (from < byte && from < text.size()) {
            const utf8::CodePoint c = utf8::decode(text.data() + from, text.size() - from);
            count += c.value >= 0x10000 ? 2u : 1u;
            from += c.size;
        }
        return count;
    };
    for (TokenSpan& span : spans) {
        units = units_before(span.begin, at, units);
        at = std::max<std::size_t>(at, span.begin);
        span = {units, units_before(span.end, at, units)};
    }
}

} // namespace bge
