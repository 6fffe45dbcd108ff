// The tokenizer's parts against plain definitions, and against files made to break them.
#include "check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "../engine/tokenizer/charsmap_normalizer.h"
#include "../engine/tokenizer/grapheme.h"
#include "../engine/tokenizer/piece_trie.h"
#include "../engine/tokenizer/score.h"
#include "../engine/tokenizer/viterbi.h"
#include "tokenizer_fixtures.h"

using namespace bge;
using namespace bge::test;

namespace {

/// "÷" between clusters, code points in hexadecimal: the notation of Unicode's own test file.
std::string clusters(const std::vector<std::uint32_t>& text) {
    std::string out;
    unicode::ClusterWalk walk(unicode::Properties::of(text[0]));
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto properties = unicode::Properties::of(text[i]);
        if (i > 0 && !walk.joins(properties)) {
            out += "/ ";
            walk = unicode::ClusterWalk(properties);
        }
        char hex[12];
        std::snprintf(hex, sizeof hex, "%X ", static_cast<unsigned>(text[i]));
        out += hex;
    }
    return out.substr(0, out.size() - 1);
}

/// A sink that writes the normalised text, `_` for white space.
struct TextSink {
    std::string out;
    void ascii(const char* bytes, std::size_t size, std::size_t) { out.append(bytes, size); }
    void text(std::string_view bytes, std::size_t, std::size_t) { out.append(bytes); }
    void metaspace(std::size_t, std::size_t) { out += "M"; }
    void white_space() { out += "_"; }
    bool stopped() const { return false; }
};

std::string normalized(std::string_view text) {
    static const CharsmapNormalizer normalizer(xlmr_vocabulary().data.charsmap);
    TextSink sink;
    normalizer.run(text, sink);
    return sink.out;
}

/// The best segmentation by trying all cuts of every prefix, in the order Hugging Face does.
std::vector<std::uint32_t>
plain_viterbi(const std::map<std::string, std::pair<std::uint32_t, float>>& pieces,
              double unknown_score, const std::string& word) {
    struct Node {
        double sum = 0;
        std::size_t begin = 0;
        std::uint32_t id = 0;
        bool reached = false;
    };
    std::vector<Node> best(word.size() + 1);
    best[0].reached = true;
    const auto offer = [&](std::size_t begin, std::size_t end, double score, std::uint32_t id) {
        const double sum = score + best[begin].sum;
        if (!best[end].reached || sum > best[end].sum)
            best[end] = {sum, begin, id, true};
    };
    for (std::size_t begin = 0; begin < word.size(); begin += utf8::sequence_length(word[begin])) {
        const std::size_t character = utf8::sequence_length(word[begin]);
        bool known = false;
        for (std::size_t size = 1; size <= 20 && begin + size <= word.size(); ++size) {
            const auto found = pieces.find(word.substr(begin, size));
            if (found == pieces.end())
                continue;
            offer(begin, begin + size, static_cast<double>(found->second.second),
                  found->second.first);
            known = known || size == character;
        }
        if (!known)
            offer(begin, begin + character, unknown_score, 3);
    }
    std::vector<std::uint32_t> ids;
    for (std::size_t end = word.size(); end > 0; end = best[end].begin) {
        if (best[end].id != 3 || ids.empty() || ids.back() != 3)
            ids.push_back(best[end].id);
    }
    std::reverse(ids.begin(), ids.end());
    return ids;
}

/// A charsmap with the given keys: one trie node per prefix, children in blocks of 256 units.
std::string make_charsmap(const std::map<std::string, std::string>& entries) {
    std::map<std::string, std::uint32_t> base_of; // prefix -> base of its children
    const auto add = [&](const std::string& prefix) {
        const auto next = static_cast<std::uint32_t>((base_of.size() + 1) * 256);
        base_of.emplace(prefix, next);
    };
    add("");
    for (const auto& [key, value] : entries) {
        for (std::size_t size = 1; size <= key.size(); ++size)
            add(key.substr(0, size));
    }
    std::vector<std::uint32_t> units((base_of.size() + 1) * 256, 0);
    const auto offset = [](std::uint32_t from, std::uint32_t to) { return (from ^ to) << 10; };
    units[0] = offset(0, base_of[""]);
    std::string replacements;
    for (const auto& [prefix, base] : base_of) {
        if (prefix.empty())
            continue;
        const auto byte = static_cast<unsigned char>(prefix.back());
        const std::uint32_t unit = base_of[prefix.substr(0, prefix.size() - 1)] ^ byte;
        const auto found = entries.find(prefix);
        units[unit] = offset(unit, base) | byte | (found != entries.end() ? 0x100u : 0u);
        if (found != entries.end()) {
            units[base] = static_cast<std::uint32_t>(replacements.size()) | 0x80000000u;
            replacements += found->second + '\0';
        }
    }
    std::string out;
    const auto number = [&](std::uint32_t value) {
        for (int i = 0; i < 4; ++i)
            out += static_cast<char>(value >> (8 * i) & 0xFF);
    };
    number(static_cast<std::uint32_t>(units.size() * 4));
    for (const std::uint32_t unit : units)
        number(unit);
    return out + replacements;
}

} // namespace

TEST("grapheme clusters: UAX #29's rules one by one") {
    CHECK_EQ(clusters({0x0D, 0x0A}), "D A"); // GB3
    CHECK_EQ(clusters({0x0A, 0x0D}), "A / D");
    CHECK_EQ(clusters({0x0A, 0x301}), "A / 301");                                  // GB4
    CHECK_EQ(clusters({0x61, 0x00AD, 0x301}), "61 / AD / 301");                    // GB5
    CHECK_EQ(clusters({0x1100, 0x1161, 0x11A8, 0x1100}), "1100 1161 11A8 / 1100"); // GB6-8
    CHECK_EQ(clusters({0xAC00, 0x1161, 0x11A8}), "AC00 1161 11A8");
    CHECK_EQ(clusters({0xAC01, 0x1161}), "AC01 / 1161");
    CHECK_EQ(clusters({0xAC01, 0x11A8}), "AC01 11A8");
    CHECK_EQ(clusters({0x61, 0x301, 0x200D, 0x62}), "61 301 200D / 62"); // GB9
    CHECK_EQ(clusters({0x0E01, 0x0E33}), "E01 E33");                     // GB9a
    CHECK_EQ(clusters({0x0600, 0x61, 0x0600}), "600 61 / 600");          // GB9b
    CHECK_EQ(clusters({0x0600, 0x0A}), "600 / A");
    CHECK_EQ(clusters({0x0915, 0x094D, 0x0937}), "915 94D 937"); // GB9c
    CHECK_EQ(clusters({0x0915, 0x094D, 0x200D, 0x0937}), "915 94D 200D 937");
    CHECK_EQ(clusters({0x0915, 0x093C, 0x0937}), "915 93C / 937");
    CHECK_EQ(clusters({0x61, 0x094D, 0x0937}), "61 94D / 937");
    CHECK_EQ(clusters({0x1F468, 0x1F3FD, 0x200D, 0x1F469}), "1F468 1F3FD 200D 1F469"); // GB11
    CHECK_EQ(clusters({0x61, 0x200D, 0x1F469}), "61 200D / 1F469");
    CHECK_EQ(clusters({0x1F468, 0x200D, 0x200D, 0x1F469}), "1F468 200D 200D / 1F469");
    CHECK_EQ(clusters({0x1F1E9, 0x1F1EA, 0x1F1EB, 0x1F1F7, 0x1F1FA}),
             "1F1E9 1F1EA / 1F1EB 1F1F7 / 1F1FA"); // GB12
    CHECK_EQ(clusters({0x0600, 0x1F1E9, 0x1F1EA, 0x1F1EB}), "600 1F1E9 1F1EA / 1F1EB");
    CHECK_EQ(clusters({0x61, 0x62}), "61 / 62"); // GB999
}

TEST("the charsmap: clusters under 6 bytes whole, shortest key first, else one by one") {
    CHECK_EQ(normalized("e\xCC\x81"), "\xC3\xA9");         // 3 bytes: composed
    CHECK_EQ(normalized("e\xCC\x81\xCC\xA7"), "\xC3\xA9"); // 5 bytes: the rest is lost
    CHECK_EQ(normalized("e\xCC\x81\xCC\xA7\xCC\xA7"),      // 7 bytes: one by one
             "e\xCC\x81\xCC\xA7\xCC\xA7");
    CHECK_EQ(normalized("\xD8\x80"
                        "e\xCC\x81"),
             "\xD8\x80"
             "e\xCC\x81");                         // U+0600 joins: no key
    CHECK_EQ(normalized("\xC2\xB2\xCC\x81"), "2"); // the shortest key is U+00B2
    CHECK_EQ(normalized("\xEF\xBD\xB6\xEF\xBE\x9E"), "\xE3\x82\xAB\xE3\x82\x99"); // 6 bytes
    CHECK_EQ(normalized("\xEF\xBC\xA1\xEF\xBC\xA2"), "AB");
    CHECK_EQ(normalized("a\xC2\xA0\tb\r\n"), "a__b_");
    CHECK_EQ(normalized(std::string("a\0b\x01", 4)), std::string("a\0b", 3));
    CHECK_EQ(normalized("\xC2\xA8"), "_\xCC\x88"); // U+00A8: a space and a mark
    CHECK_EQ(normalized(""), "");
}

TEST("the charsmap: a hand-made one") {
    const std::string bytes = make_charsmap(
        {{"b", "BB"}, {"\xC3\xA9", "e"}, {"xy", "!"}, {"z", ""}, {"q", "\xE2\x96\x81"}});
    const CharsmapNormalizer normalizer(bytes);
    TextSink sink;
    normalizer.run("abz\xC3\xA9xyb\xCC\x81q", sink); // "xy" spans two clusters: never found
    CHECK_EQ(sink.out, "aBBexyBBM");
}

TEST("the charsmap: damage is an error or does no harm") {
    const std::string good = make_charsmap({{"b", "BB"}, {"\xC3\xA9", "e"}});
    CHECK_THROWS(Charsmap("abc"), ErrorCode::ModelLoad);
    CHECK_THROWS(Charsmap(std::string(4, '\0')), ErrorCode::ModelLoad);
    CHECK_THROWS(Charsmap(std::string("\x06\0\0\0abcdef", 10)), ErrorCode::ModelLoad);
    CHECK_THROWS(Charsmap(std::string(8, '\xFF')), ErrorCode::ModelLoad);
    CHECK_THROWS(Charsmap(good.substr(0, good.size() - 6)), ErrorCode::ModelLoad);
    CHECK_THROWS(Charsmap(good + "\xFF"), ErrorCode::ModelLoad);

    const std::string_view real = xlmr_vocabulary().data.charsmap;
    Random random(11);
    int refused = 0;
    for (int round = 0; round < 25; ++round) {
        std::string bytes(real);
        for (std::uint32_t n = 1 + random.below(200); n > 0; --n)
            bytes[random.below(static_cast<std::uint32_t>(bytes.size()))] =
                static_cast<char>(random.below(256));
        if (round % 10 == 0)
            bytes.resize(random.below(static_cast<std::uint32_t>(bytes.size())));
        try {
            const CharsmapNormalizer normalizer(bytes);
            TextSink sink;
            std::string text;
            for (int i = 0; i < 500; ++i)
                text += static_cast<char>(random.below(256));
            normalizer.run(text, sink);
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::ModelLoad);
            ++refused;
        }
    }
    CHECK(refused > 2);
}

TEST("the trie finds exactly its keys") {
    Random random(3);
    for (const std::uint32_t alphabet : {2u, 5u, 200u}) {
        std::map<std::string, std::uint32_t> keys;
        while (keys.size() < 3000) {
            std::string key;
            for (std::uint32_t n = 1 + random.below(alphabet == 2 ? 16 : 6); n > 0; --n)
                key += static_cast<char>(random.below(alphabet));
            keys.emplace(key, static_cast<std::uint32_t>(keys.size()));
        }
        std::vector<PieceTrie::Entry> entries;
        for (const auto& [key, id] : keys)
            entries.push_back({key, id});
        std::reverse(entries.begin(), entries.end());
        const PieceTrie trie(entries);
        const auto lookup = [&](const std::string& key) -> std::int64_t {
            PieceTrie::State state = trie.root();
            for (const char c : key) {
                if (!trie.step(state, c))
                    return -1;
            }
            return state.id == PieceTrie::kNoKey ? -1 : static_cast<std::int64_t>(state.id);
        };
        for (const auto& [key, id] : keys) {
            CHECK_EQ(lookup(key), static_cast<std::int64_t>(id));
            const std::string longer = key + static_cast<char>(random.below(256));
            const auto found = keys.find(longer);
            CHECK_EQ(lookup(longer),
                     found == keys.end() ? -1 : static_cast<std::int64_t>(found->second));
        }
        for (int i = 0; i < 20000; ++i) {
            std::string key;
            for (std::uint32_t n = 1 + random.below(6); n > 0; --n)
                key += static_cast<char>(random.below(256));
            const auto found = keys.find(key);
            CHECK_EQ(lookup(key),
                     found == keys.end() ? -1 : static_cast<std::int64_t>(found->second));
        }
    }
    std::vector<PieceTrie::Entry> none;
    const PieceTrie empty(none);
    PieceTrie::State state = empty.root();
    CHECK(!empty.step(state, 'a'));
}

TEST("scores are doubles as serde_json reads their shortest decimals") {
    CHECK_EQ(score_as_read_from_json(0.0f), 0.0);
    CHECK_EQ(score_as_read_from_json(-0.5f), -0.5);
    CHECK_EQ(score_as_read_from_json(-10000.0f), -10000.0);
    CHECK_EQ(score_as_read_from_json(1e20f), 10000000200408773.0 * 1e4);
    // -7.7206902503967285 has 17 digits, one more than a double's integers hold exactly.
    const float van = -7.7206902503967285f;
    CHECK_EQ(score_as_read_from_json(van), -77206902503967285.0 / 1e16);
    CHECK(score_as_read_from_json(van) != static_cast<double>(van));
    const float tiny = std::numeric_limits<float>::denorm_min();
    CHECK(std::fabs(score_as_read_from_json(tiny) / static_cast<double>(tiny) - 1.0) < 1e-12);
}

TEST("Viterbi: ties, unknown runs and order, worked out by hand") {
    // <s> 0, <pad> 1, </s> 2, <unk> 3, then 4 ...
    const SmallUnigram small({{"\xE2\x96\x81", -1},
                              {"a", -2},
                              {"aa", -4},
                              {"b", -3},
                              {"ab", -5},
                              {"\xE2\x96\x81"
                               "b",
                               -9}});
    const auto tokenizer = Tokenizer::create(small.data);
    const auto ids = [&](const char* text) { return join(tokenizer->encode(text).ids); };
    // a+a and aa tie at -4; the first found to end there is the longer piece.
    CHECK_EQ(ids("aa"), "0 4 6 2");
    CHECK_EQ(ids("aaa"), "0 4 5 6 2");
    CHECK_EQ(ids("ab"), "0 4 8 2"); // ab and a+b tie
    CHECK_EQ(ids("b"), "0 4 7 2");  // -1 + -3 is better than -9
    CHECK_EQ(ids("xa"), "0 4 3 5 2");
    CHECK_EQ(ids("xyz"), "0 4 3 2"); // a run of unknowns is one token
    CHECK_EQ(ids("xaxb y"), "0 4 3 5 3 7 4 3 2");
    CHECK_EQ(ids(""), "0 2");
    CHECK_EQ(ids("a</s>a"), "0 4 5 2 4 5 2");
}

TEST("an unknown character costs 10 more than the worst piece") {
    const auto ids = [](float score_of_z) {
        const SmallUnigram small(
            {{"\xE2\x96\x81", -1}, {"xy", -12}, {"yz", -1}, {"z", score_of_z}});
        return join(Tokenizer::create(small.data)->encode("xyz").ids);
    };
    // xy z costs 12 + z; an unknown x and yz cost 12 + 10 + 1.
    CHECK_EQ(ids(-10.5f), "0 4 5 7 2");
    CHECK_EQ(ids(-11.5f), "0 4 3 6 2");
}

TEST("Viterbi agrees with the plain algorithm on random vocabularies and long words") {
    Random random(5);
    for (int round = 0; round < 60; ++round) {
        const std::vector<std::string> alphabet = {
            "a", "b", "c", "\xC3\xA9", "\xE6\xBC\xA2", "\xF0\x9F\x98\x80"};
        const std::uint32_t letters = 2 + random.below(5);
        std::map<std::string, std::pair<std::uint32_t, float>> pieces;
        std::vector<SmallUnigram::Piece> list;
        float lowest = 0;
        while (list.size() < 30) {
            std::string text;
            for (std::uint32_t n = 1 + random.below(5); n > 0; --n)
                text += alphabet[random.below(letters)];
            // Few distinct scores make many ties.
            const float score = -static_cast<float>(random.below(round % 2 ? 8 : 8000)) / 4.0f;
            if (pieces
                    .emplace(text,
                             std::make_pair(static_cast<std::uint32_t>(4 + list.size()), score))
                    .second) {
                list.push_back({text, score});
                lowest = std::min(lowest, score);
            }
        }
        const SmallUnigram small(list);
        const CheckedVocabulary vocabulary(small.data);
        std::vector<PieceTrie::Entry> entries;
        for (const auto& [text, piece] : pieces)
            entries.push_back({text, piece.first});
        const PieceTrie trie(entries);
        const double unknown = static_cast<double>(lowest) - 10.0;
        const std::vector<double> scores(small.data.scores.begin(), small.data.scores.end());
        Viterbi viterbi(vocabulary, trie, scores,
                        unknown); // used again and again, as by a text's words
        for (int i = 0; i < 40; ++i) {
            std::string word;
            for (std::uint32_t n = 1 + random.below(i % 4 == 0 ? 900 : 30); n > 0; --n)
                word += alphabet[random.below(letters)];
            std::vector<std::uint32_t> got;
            std::size_t covered = 0;
            viterbi.segment(
                word,
                [&](std::uint32_t id, std::size_t begin, std::size_t end) {
                    CHECK_EQ(begin, covered);
                    covered = end;
                    got.push_back(id);
                },
                [] { return false; });
            CHECK_EQ(covered, word.size());
            CHECK_EQ(join(got), join(plain_viterbi(pieces, unknown, word)));
        }
    }
}

TEST("WordPiece: both ways of marking give the same ids") {
    VocabularyData llama;
    llama.kind = TokenizerKind::WordPiece;
    llama.pieces = {"[PAD]",
                    "[UNK]",
                    "[CLS]",
                    "[SEP]",
                    "\xE2\x96\x81un",
                    "aff",
                    "able",
                    "\xE2\x96\x81,",
                    "\xE2\x96\x81"
                    "a"};
    llama.types = {3, 3, 3, 3, 1, 1, 1, 1, 1};
    VocabularyData hugging_face = llama;
    hugging_face.pieces = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", ",", "a"};
    hugging_face.types.clear();
    for (const VocabularyData* data : {&llama, &hugging_face}) {
        const auto tokenizer = Tokenizer::create(*data);
        CHECK_EQ(join(tokenizer->encode("UNaffable,\xC3\xA0 un unx aff [SEP]").ids),
                 "2 4 5 6 7 8 4 1 1 3 3");
    }
}

TEST("a converter's filler in the place of <mask> is <mask>") {
    SmallUnigram small({{"a", -1}});
    small.data.pieces.push_back("[PAD250000]");
    small.data.scores.push_back(-10000.0f);
    small.data.types.push_back(5);
    const auto tokenizer = Tokenizer::create(small.data);
    CHECK_EQ(join(tokenizer->encode("a<mask>").ids), "0 3 4 5 2");
    CHECK_EQ(tokenizer->piece(5), "<mask>");
}

TEST("unused entries neither match nor lower the worst score") {
    SmallUnigram small({{"xy", -1}, {"y", -1}, {"\xE2\x96\x81", -1}});
    const std::string before = join(Tokenizer::create(small.data)->encode("xyx").ids);
    small.data.pieces.push_back("xyx");
    small.data.scores.push_back(-10000.0f);
    small.data.types.push_back(5);
    CHECK_EQ(join(Tokenizer::create(small.data)->encode("xyx").ids), before);
}

TEST("hostile vocabularies are refused") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float infinity = std::numeric_limits<float>::infinity();
    const auto refused = [](void (*spoil)(VocabularyData&)) {
        SmallUnigram small({{"a", -1}, {"b", -2}});
        spoil(small.data);
        CHECK_THROWS(Tokenizer::create(small.data), ErrorCode::ModelLoad);
    };
    refused([](VocabularyData& d) { d.pieces.clear(); });
    refused([](VocabularyData& d) { d.scores.pop_back(); });
    refused([](VocabularyData& d) { d.scores.clear(); });
    refused([](VocabularyData& d) { d.types.push_back(1); });
    refused([](VocabularyData& d) { d.types[4] = 7; });
    refused([](VocabularyData& d) { d.types[4] = -1; });
    refused([](VocabularyData& d) { d.pieces[4] = ""; });
    refused([](VocabularyData& d) { d.pieces[4] = "b"; });
    refused([](VocabularyData& d) { d.pieces[4] = "<s>"; });
    refused([](VocabularyData& d) { d.pieces[4] = "\xC3"; });
    refused([](VocabularyData& d) { d.pieces[4] = "\xED\xA0\x80"; });
    refused([](VocabularyData& d) { d.bos = 6; });
    refused([](VocabularyData& d) { d.mask = kNoToken - 1; });
    refused([](VocabularyData& d) { d.pieces[0] = "<x>"; });
    refused([](VocabularyData& d) { d.pieces[3] = "<x>"; });
    refused([](VocabularyData& d) { d.charsmap = "x"; });
    for (const float score : {nan, infinity, -infinity}) {
        SmallUnigram small({{"a", score}});
        CHECK_THROWS(Tokenizer::create(small.data), ErrorCode::ModelLoad);
    }
    const std::string long_piece(1025, 'a');
    SmallUnigram small({{"a", -1}});
    small.data.pieces[4] = long_piece;
    CHECK_THROWS(Tokenizer::create(small.data), ErrorCode::ModelLoad);
    CHECK_THROWS(Tokenizer::create(VocabularyData{}), ErrorCode::ModelLoad);
}

TEST("strange vocabularies still give tokens") {
    // Extreme scores, no single characters, pieces with NUL, a special id used twice.
    const float lowest = std::numeric_limits<float>::lowest();
    SmallUnigram small({{"aaa", lowest}, {"ab", -lowest}, {std::string("a\0b", 3), -1}});
    small.data.eos = small.data.bos = 0;
    const auto tokenizer = Tokenizer::create(small.data);
    Random random(9);
    for (int i = 0; i < 500; ++i) {
        std::string text;
        for (std::uint32_t n = random.below(300); n > 0; --n)
            text += "ab\0c "[random.below(5)];
        const Encoding encoding = tokenizer->encode(text);
        CHECK(encoding.ids.size() >= 2);
        CHECK_EQ(encoding.ids.size(), tokenizer->count(text));
    }
}

TEST_MAIN()
