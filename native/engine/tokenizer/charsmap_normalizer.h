// Hugging Face's `Precompiled` normaliser, as a stream of text pieces and white space.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "charsmap.h"
#include "grapheme.h"
#include "unicode_tables.h"
#include "utf8.h"

namespace bge {

/// U+2581, which stands for a space inside SentencePiece's pieces.
constexpr std::uint32_t kMetaspace = 0x2581;
constexpr std::string_view kMetaspaceUtf8 = "\xE2\x96\x81";

/// For each extended grapheme cluster: one shorter than 6 bytes is looked up whole, and the
/// *shortest* key that begins it replaces all of it; otherwise each of its characters is looked up
/// by itself. (Google's SentencePiece takes the longest key instead and knows no clusters. Both
/// give the same for composed text; half-width katakana with a voiced sound mark is the everyday
/// difference.)
class CharsmapNormalizer {
  public:
    explicit CharsmapNormalizer(std::string_view charsmap_bytes);

    /// Feeds the normalised `text` to `sink`, which has
    ///   void ascii(const char* bytes, size_t size, size_t at)   printable, each byte stands for
    ///   itself void text(string_view bytes, size_t begin, size_t end)  came from text[begin, end)
    ///   void metaspace(size_t begin, size_t end)                a U+2581 in the normalised text
    ///   void white_space()
    ///   bool stopped() const                                    true ends the run early
    template <class Sink> void run(std::string_view text, Sink& sink) const;

    std::size_t memory_bytes() const {
        return charsmap_.memory_bytes() + known_keys_.capacity() * sizeof(known_keys_[0]);
    }

  private:
    struct Char {
        utf8::CodePoint code;
        unicode::Properties properties;
    };
    static Char read(std::string_view text, std::size_t at) {
        const utf8::CodePoint code = utf8::decode(text.data() + at, text.size() - at);
        return {code, unicode::Properties::of(code.value)};
    }

    /// False when the map has no key that is this one character.
    bool may_be_key(std::uint32_t code_point) const {
        return code_point >= kKnown || (known_keys_[code_point >> 6] >> (code_point & 63u)) & 1u;
    }

    template <class Sink>
    std::size_t clusters(std::string_view text, std::size_t at, Sink& sink) const;
    template <class Sink>
    std::size_t long_cluster(std::string_view text, std::size_t at, Char first, Sink& sink) const;
    template <class Sink>
    void single(std::string_view text, std::size_t at, const Char& c, Sink& sink) const;
    template <class Sink>
    void replace(std::string_view by, std::size_t begin, std::size_t end, Sink& sink) const;

    static constexpr std::uint32_t kKnown = 0x20000;
    static constexpr std::size_t kWholeClusterBytes = 6; // clusters shorter than this

    Charsmap charsmap_;
    std::vector<std::uint64_t> known_keys_; // one bit per code point below kKnown
    bool plain_ascii_[256] = {};            // printable ASCII that no key replaces
    bool plain_space_ = false;              // U+0020 is not replaced
};

inline CharsmapNormalizer::CharsmapNormalizer(std::string_view charsmap_bytes)
    : charsmap_(charsmap_bytes), known_keys_(kKnown / 64, 0) {
    char bytes[4];
    for (std::uint32_t c = 0; c < kKnown && !charsmap_.empty(); ++c) {
        if (charsmap_.find({bytes, utf8::encode(c, bytes)}))
            known_keys_[c >> 6] |= std::uint64_t{1} << (c & 63u);
    }
    for (std::uint32_t c = 0x21; c < 0x7F; ++c)
        plain_ascii_[c] = !may_be_key(c);
    plain_space_ = !may_be_key(' ');
}

template <class Sink> void CharsmapNormalizer::run(std::string_view text, Sink& sink) const {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    std::size_t at = 0;
    while (at < text.size() && !sink.stopped()) {
        std::size_t end = at;
        while (end < text.size() && plain_ascii_[byte(end)])
            ++end;
        // The last one before a non-ASCII character may be the beginning of a cluster.
        if (end > at && end < text.size() && byte(end) >= 0x80)
            --end;
        if (end > at) {
            sink.ascii(text.data() + at, end - at, at);
            at = end;
        } else if (text[at] == ' ' && plain_space_ &&
                   (at + 1 == text.size() || byte(at + 1) < 0x80)) {
            sink.white_space();
            ++at;
        } else {
            at = clusters(text, at, sink);
        }
    }
}

/// Handles at least one cluster, and goes on as long as non-ASCII text follows.
template <class Sink>
std::size_t CharsmapNormalizer::clusters(std::string_view text, std::size_t at, Sink& sink) const {
    Char c = read(text, at);
    while (true) {
        const std::size_t next = at + c.code.size;
        if (next == text.size()) {
            single(text, at, c, sink);
            return next;
        }
        const Char d = read(text, next);
        if (unicode::may_join(c.properties.grapheme_break(), d.properties.grapheme_break()))
            return long_cluster(text, at, c, sink);
        single(text, at, c, sink);
        if (d.code.value < 0x80 || sink.stopped())
            return next;
        at = next;
        c = d;
    }
}

template <class Sink>
std::size_t CharsmapNormalizer::long_cluster(std::string_view text, std::size_t at, Char first,
                                             Sink& sink) const {
    char whole[kWholeClusterBytes + 4];
    std::size_t whole_size = utf8::encode(first.code.value, whole);
    std::size_t end = at + first.code.size;
    unicode::ClusterWalk walk(first.properties);
    while (end < text.size()) {
        const Char next = read(text, end);
        if (!walk.joins(next.properties))
            break;
        if (whole_size < kWholeClusterBytes)
            whole_size += utf8::encode(next.code.value, whole + whole_size);
        end += next.code.size;
    }
    if (whole_size < kWholeClusterBytes) {
        if (const auto by = charsmap_.find({whole, whole_size})) {
            replace(*by, at, end, sink);
            return end;
        }
    }
    while (at < end) {
        const Char c = read(text, at);
        single(text, at, c, sink);
        at += c.code.size;
    }
    return end;
}

template <class Sink>
void CharsmapNormalizer::single(std::string_view text, std::size_t at, const Char& c,
                                Sink& sink) const {
    const std::size_t end = at + c.code.size;
    char bytes[4];
    if (may_be_key(c.code.value)) {
        if (const auto by = charsmap_.find({bytes, utf8::encode(c.code.value, bytes)})) {
            replace(*by, at, end, sink);
            return;
        }
    }
    if (c.properties.white_space())
        sink.white_space();
    else if (c.code.value == kMetaspace)
        sink.metaspace(at, end);
    else if (c.code.valid)
        sink.text(text.substr(at, c.code.size), at, end);
    else
        sink.text({bytes, utf8::encode(c.code.value, bytes)}, at, end);
}

template <class Sink>
void CharsmapNormalizer::replace(std::string_view by, std::size_t begin, std::size_t end,
                                 Sink& sink) const {
    for (std::size_t i = 0; i < by.size();) {
        const Char c = read(by, i);
        if (c.properties.white_space())
            sink.white_space();
        else if (c.code.value == kMetaspace)
            sink.metaspace(begin, end);
        else
            sink.text(by.substr(i, c.code.size), begin, end);
        i += c.code.size;
    }
}

} // namespace bge
