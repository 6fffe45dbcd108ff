// Where the models put their tokens: counts all, keeps what the caller asked for.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "tokenizer.h"

namespace bge {

class TokenSink {
  public:
    /// Keeps the first `capacity` tokens; with more than `enough` the models may stop.
    TokenSink(std::size_t capacity, std::size_t enough, bool with_spans)
        : capacity_(capacity), enough_(enough), with_spans_(with_spans) {}

    bool with_spans() const { return with_spans_; }
    bool stopped() const { return total_ > enough_; }
    std::uint64_t total() const { return total_; }

    /// The begin token; to be called first. Does not count.
    void open(std::uint32_t id) { push(id, {0, 0}); }
    /// The end token; to be called last. Does not count.
    void close(std::uint32_t id, std::uint32_t at) { push(id, {at, at}); }

    void add(std::uint32_t id, TokenSpan span) {
        if (total_++ < capacity_)
            push(id, span);
    }

    std::vector<std::uint32_t> ids;
    std::vector<TokenSpan> spans;

  private:
    void push(std::uint32_t id, TokenSpan span) {
        ids.push_back(id);
        if (with_spans_)
            spans.push_back(span);
    }

    std::size_t capacity_;
    std::uint64_t total_ = 0;
    std::size_t enough_;
    bool with_spans_;
};

/// Splits normal text, which holds no literal special token, into tokens.
class TokenModel {
  public:
    virtual ~TokenModel() = default;

    /// Appends the tokens of `text`, whose first byte is byte `origin` of the caller's text (spans
    /// are given in the caller's text). May be called from several threads at once.
    virtual void encode(std::string_view text, std::uint32_t origin, TokenSink& sink) const = 0;
    virtual std::size_t memory_bytes() const = 0;
};

} // namespace bge
