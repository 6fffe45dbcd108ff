// The tokenizer as its users see it: gold ids, limits, spans, hostile text and hostile
// vocabularies.
#include "check.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "json_text.h"
#include "tokenizer_fixtures.h"

using namespace bge;
using namespace bge::test;

namespace {

void check_gold(const Tokenizer& tokenizer, const std::string& file) {
    const auto cases = read_gold(token_fixture(file));
    CHECK(cases.size() > 50);
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const Encoding got = tokenizer.encode(cases[i].text);
        if (got.ids != cases[i].ids)
            check::fail(__FILE__, __LINE__,
                        "case " + std::to_string(i) + ": " + join(got.ids) +
                            " != " + join(cases[i].ids));
        CHECK_EQ(got.total, cases[i].ids.size());
        CHECK_EQ(tokenizer.count(cases[i].text), cases[i].ids.size());
        CHECK(!got.truncated);
    }
}

std::string ids(const Tokenizer& tokenizer, std::string_view text) {
    return join(tokenizer.encode(text).ids);
}

Encoding with_spans(const Tokenizer& tokenizer, std::string_view text) {
    EncodeOptions options;
    options.spans = true;
    return tokenizer.encode(text, options);
}

std::string spans(const Tokenizer& tokenizer, std::string_view text) {
    std::string out;
    for (const TokenSpan& span : with_spans(tokenizer, text).spans)
        out +=
            (out.empty() ? "" : " ") + std::to_string(span.begin) + "-" + std::to_string(span.end);
    return out;
}

std::string repeat(std::string_view unit, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i)
        out += unit;
    return out;
}

} // namespace

TEST("XLM-R: the given gold") {
    check_gold(xlmr(), "xlmr-gold.json");
}
TEST("XLM-R: adversarial gold from Hugging Face's tokenizers") {
    check_gold(xlmr(), "xlmr-adversarial.json");
}
TEST("BERT: gold from Hugging Face's tokenizers") {
    check_gold(bert(), "bert-uncased-gold.json");
}

TEST("a limit that fits changes nothing, one token less is too long or a cut") {
    const std::string text = "The quick brown fox jumps over the lazy dog.";
    for (const Tokenizer* tokenizer : {&xlmr(), &bert()}) {
        const Encoding whole = tokenizer->encode(text);
        EncodeOptions options;
        options.max_tokens = whole.ids.size();
        CHECK(tokenizer->encode(text, options).ids == whole.ids);

        options.max_tokens -= 1;
        const Encoding refused = tokenizer->encode(text, options);
        CHECK(refused.too_long() && !refused.truncated);
        CHECK_EQ(refused.total, whole.total);

        options.truncate = true;
        const Encoding cut = tokenizer->encode(text, options);
        CHECK(cut.truncated && !cut.too_long());
        CHECK_EQ(cut.ids.size(), options.max_tokens);
        CHECK(cut.total > options.max_tokens);
        CHECK(std::equal(cut.ids.begin(), cut.ids.end() - 1, whole.ids.begin()));
        CHECK_EQ(cut.ids.back(), tokenizer->vocabulary().end());
    }
}

TEST("every limit cuts at the same place as cutting the whole") {
    const std::string text = repeat("無窮の文字列 with words</s>and<mask> more…  ", 5);
    const Encoding whole = with_spans(xlmr(), text);
    EncodeOptions options;
    options.truncate = options.spans = true;
    for (options.max_tokens = 2; options.max_tokens < whole.ids.size(); ++options.max_tokens) {
        const Encoding cut = xlmr().encode(text, options);
        CHECK_EQ(cut.ids.size(), options.max_tokens);
        CHECK_EQ(cut.spans.size(), options.max_tokens);
        for (std::size_t i = 0; i + 1 < cut.ids.size(); ++i) {
            CHECK_EQ(cut.ids[i], whole.ids[i]);
            CHECK_EQ(cut.spans[i].begin, whole.spans[i].begin);
            CHECK_EQ(cut.spans[i].end, whole.spans[i].end);
        }
        CHECK_EQ(cut.spans.back().begin, cut.spans[cut.spans.size() - 2].end);
    }
}

TEST("a limit without room for begin and end is refused") {
    EncodeOptions options;
    options.max_tokens = 1;
    CHECK_THROWS(xlmr().encode("a", options), ErrorCode::InvalidInput);
    options.max_tokens = 2;
    options.truncate = true;
    CHECK_EQ(join(xlmr().encode("a", options).ids), "0 2");
    CHECK_EQ(join(xlmr().encode("", options).ids), "0 2");
}

TEST("spans are bytes of the text as it was given") {
    CHECK_EQ(spans(xlmr(), "Hello  world"), "0-0 0-5 7-12 12-12");
    // The lone U+2581 before a word takes no text; e + U+0301 is one cluster.
    CHECK_EQ(ids(xlmr(), "\xEF\xBD\xB6"), "0 6 10045 2");
    CHECK_EQ(spans(xlmr(), "\xEF\xBD\xB6"), "0-0 0-0 0-3 3-3");
    CHECK_EQ(spans(xlmr(), "e\xCC\x81"), "0-0 0-3 3-3");
    // One ligature becomes four words.
    CHECK_EQ(spans(xlmr(), "\xEF\xB7\xBA"), "0-0 0-3 0-3 0-3 0-3 3-3");
    CHECK_EQ(spans(xlmr(), "a</s> <mask>b"), "0-0 0-1 1-5 6-12 12-13 13-13");
    CHECK_EQ(spans(bert(), "Caf\xC3\xA9, unaffable"), "0-0 0-5 5-6 7-10 10-13 13-16 16-16");
}

TEST("spans in UTF-16 count what JavaScript counts") {
    const std::string text = "\xF0\x9F\x91\x8D ok \xE2\x82\xAC"; // U+1F44D, U+20AC
    Encoding encoding = with_spans(bert(), text);
    to_utf16_spans(text, encoding.spans);
    std::string out;
    for (const TokenSpan& span : encoding.spans)
        out += std::to_string(span.begin) + "-" + std::to_string(span.end) + " ";
    CHECK_EQ(out, "0-0 0-2 3-5 6-7 7-7 ");
}

TEST("spans ascend and stay inside of any text") {
    Random random(7);
    for (int i = 0; i < 2000; ++i) {
        std::string text;
        for (std::uint32_t n = random.below(40); n > 0; --n)
            text += static_cast<char>(random.below(3) ? random.below(128) : random.below(256));
        for (const Tokenizer* tokenizer : {&xlmr(), &bert()}) {
            const Encoding encoding = with_spans(*tokenizer, text);
            CHECK_EQ(encoding.spans.size(), encoding.ids.size());
            CHECK(encoding.ids == tokenizer->encode(text).ids);
            std::uint32_t last = 0;
            for (const TokenSpan& span : encoding.spans) {
                CHECK(span.begin >= last && span.end >= span.begin && span.end <= text.size());
                last = span.begin;
            }
        }
    }
}

TEST("ill-formed UTF-8 reads as U+FFFD, one for each maximal part") {
    const std::string replacement = "\xEF\xBF\xBD";
    const struct {
        std::string bytes;
        int parts;
    } kCases[] = {
        {"\x80", 1},         {"\xFF", 1},         {"\xC0\xAF", 2},         {"\xE2\x82", 1},
        {"\xED\xA0\x80", 3}, {"\xF0\x9F\x98", 1}, {"\xF4\x90\x80\x80", 4}, {"\xE0\x80\x80", 3},
        {"\xF8\x88", 2},     {"\xC3", 1},
    };
    for (const auto& c : kCases) {
        const std::string clean = repeat(replacement, static_cast<std::size_t>(c.parts));
        CHECK_EQ(ids(xlmr(), "a" + c.bytes + "b"), ids(xlmr(), "a" + clean + "b"));
        CHECK_EQ(ids(bert(), "a" + c.bytes + "b"), ids(bert(), "a" + clean + "b"));
        CHECK_EQ(ids(xlmr(), c.bytes), ids(xlmr(), clean));
    }
    // Inside of what looks like a special token, and of a byte that labels the trie's free units.
    CHECK_EQ(ids(xlmr(), "<\xFFs>"), ids(xlmr(), "<" + replacement + "s>"));
    CHECK_EQ(ids(xlmr(), "<\xFF\xFF\xFFmask>"),
             ids(xlmr(), "<" + repeat(replacement, 3) + "mask>"));
}

TEST("large and monotonous texts are counted, and cut early") {
    constexpr std::size_t kSize = 1u << 20;
    for (const char* unit :
         {"a", "\xE7\x9A\x84", "\xCC\x81", " ", "\xF0\x93\x80\x80", "<s>", "ab "}) {
        const std::string text = repeat(unit, kSize / std::string(unit).size());
        for (const Tokenizer* tokenizer : {&xlmr(), &bert()}) {
            const std::uint64_t total = tokenizer->count(text);
            EncodeOptions options;
            options.max_tokens = 512;
            // exact up to 32 times the limit, and no less beyond it
            const std::uint64_t counted = tokenizer->encode(text, options).total;
            CHECK(counted <= total && counted >= std::min<std::uint64_t>(total, 32 * 512));
            CHECK(total > 32 * 512 || counted == total);
            options.truncate = true;
            const Encoding cut = tokenizer->encode(text, options);
            CHECK_EQ(cut.ids.size(), std::min<std::uint64_t>(total, 512));
            CHECK_EQ(cut.truncated, total > 512);
        }
    }
}

TEST("a long word is cut into the same pieces wherever it stands") {
    // More than the 256 bytes after which work is committed; compare with its first 300 bytes.
    const std::string chinese =
        repeat("\xE6\xBC\xA2\xE5\xAD\x97\xE3\x82\x92\xE6\x9B\xB8\xE3\x81\x8F", 400);
    const std::string longer = ids(xlmr(), chinese);
    std::string shorter = ids(xlmr(), chinese.substr(0, 300));
    shorter = shorter.substr(0, shorter.size() - 2); // without </s>
    CHECK_EQ(longer.substr(0, shorter.size()), shorter);
}

TEST("several threads share one tokenizer") {
    const auto cases = read_gold(token_fixture("xlmr-adversarial.json"));
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (std::size_t i = 0; i < cases.size(); ++i) {
                const GoldCase& c =
                    cases[(i * 7 + static_cast<std::size_t>(t) * 100) % cases.size()];
                wrong += xlmr().encode(c.text).ids != c.ids;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    CHECK_EQ(wrong.load(), 0);
}

TEST("pieces by id") {
    CHECK_EQ(xlmr().piece(35378), "\xE2\x96\x81Hello");
    CHECK_EQ(xlmr().piece(250001), "<mask>");
    CHECK_EQ(bert().piece(101), "[CLS]");
    CHECK_THROWS(xlmr().piece(xlmr().size()), ErrorCode::InvalidInput);
}

TEST("the vocabulary stays compact") {
    CHECK(xlmr().memory_bytes() < 40u << 20);
}

TEST_MAIN()
