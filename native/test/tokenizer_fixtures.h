// Test code: vocabularies to tokenize with, real and hand-made.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "../engine/tokenizer/tokenizer.h"
#include "gguf_vocabulary.h"

// Set by CMake: llama.cpp's sources, whose models/ folder has vocabularies, and this checkout.
#ifndef BGE_LLAMA_SOURCE_DIR
#define BGE_LLAMA_SOURCE_DIR ""
#endif
#ifndef BGE_SOURCE_DIR
#define BGE_SOURCE_DIR "."
#endif

namespace bge::test {

inline std::string llama_model(const std::string& name) {
    const char* given = std::getenv("LLAMA_CPP_DIR");
    return std::string(given ? given : BGE_LLAMA_SOURCE_DIR) + "/models/" + name;
}
inline std::string token_fixture(const std::string& name) {
    return std::string(BGE_SOURCE_DIR) + "/test/fixtures/tokenizer/" + name;
}

/// XLM-RoBERTa's vocabulary, which is bge-m3's; 46 unused entries follow its 250,002.
inline const GgufVocabulary& xlmr_vocabulary() {
    static const GgufVocabulary vocabulary(llama_model("ggml-vocab-nomic-bert-moe.gguf"));
    return vocabulary;
}
inline const GgufVocabulary& bert_vocabulary() {
    static const GgufVocabulary vocabulary(llama_model("ggml-vocab-bert-bge.gguf"));
    return vocabulary;
}
inline const Tokenizer& xlmr() {
    static const auto tokenizer = Tokenizer::create(xlmr_vocabulary().data);
    return *tokenizer;
}
inline const Tokenizer& bert() {
    static const auto tokenizer = Tokenizer::create(bert_vocabulary().data);
    return *tokenizer;
}

/// A small unigram vocabulary: <s> <pad> </s> <unk> take ids 0-3, then come the given pieces.
class SmallUnigram {
  public:
    struct Piece {
        std::string text;
        float score;
    };
    explicit SmallUnigram(const std::vector<Piece>& pieces) : pieces_(pieces) {
        for (const char* special : {"<s>", "<pad>", "</s>", "<unk>"}) {
            data.pieces.push_back(special);
            data.scores.push_back(0.0f);
            data.types.push_back(data.pieces.size() == 4 ? 2 : 3);
        }
        for (const Piece& piece : pieces_) {
            data.pieces.push_back(piece.text);
            data.scores.push_back(piece.score);
            data.types.push_back(1);
        }
    }
    SmallUnigram(const SmallUnigram&) = delete;

    VocabularyData data;

  private:
    std::vector<Piece> pieces_;
};

inline std::string join(const std::vector<std::uint32_t>& ids) {
    std::string out;
    for (const std::uint32_t id : ids)
        out += (out.empty() ? "" : " ") + std::to_string(id);
    return out;
}

/// A fixed sequence of numbers (xorshift), the same on every machine.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}

    std::uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }
    std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(next() % limit); }

  private:
    std::uint64_t state_;
};

} // namespace bge::test
