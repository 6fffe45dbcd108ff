// Test code: reads the tokenizer's metadata of a GGUF (version 2 or 3), nothing else. Kept apart
// from the engine's own reader, so that the tokenizer's tests do not depend on it.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../engine/tokenizer/vocabulary.h"

namespace bge::test {

class GgufVocabulary {
  public:
    explicit GgufVocabulary(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        if (!file)
            throw std::runtime_error("cannot open " + path);
        bytes_.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
        if (take(4) != "GGUF")
            throw std::runtime_error(path + " is no GGUF");
        number<std::uint32_t>(); // version
        number<std::uint64_t>(); // tensors
        const auto count = number<std::uint64_t>();
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::string key(string());
            value(key, number<std::uint32_t>());
        }
        finish();
    }

    GgufVocabulary(const GgufVocabulary&) = delete;

    /// Views into this object.
    VocabularyData data;

  private:
    enum Type : std::uint32_t { kString = 8, kArray = 9 };

    std::string_view take(std::size_t size) {
        if (size > bytes_.size() - at_)
            throw std::runtime_error("the GGUF ends early");
        at_ += size;
        return std::string_view(bytes_).substr(at_ - size, size);
    }
    template <class T> T number() {
        T value;
        std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
        return value;
    }
    std::string_view string() { return take(number<std::uint64_t>()); }

    static std::size_t width(std::uint32_t type) {
        static constexpr std::size_t kWidths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        return kWidths[type];
    }

    void value(const std::string& key, std::uint32_t type) {
        if (type == kString) {
            const std::string_view text = string();
            if (key == "tokenizer.ggml.model")
                data.kind = text == "bert" ? TokenizerKind::WordPiece : TokenizerKind::Unigram;
        } else if (type == kArray) {
            const auto item = number<std::uint32_t>();
            const auto count = number<std::uint64_t>();
            if (item == kString) {
                std::vector<std::string_view> items;
                for (std::uint64_t i = 0; i < count; ++i)
                    items.push_back(string());
                if (key == "tokenizer.ggml.tokens")
                    data.pieces = std::move(items);
            } else {
                const std::string_view raw = take(count * width(item));
                if (key == "tokenizer.ggml.scores")
                    copy(raw, data.scores);
                else if (key == "tokenizer.ggml.token_type")
                    copy(raw, data.types);
                else if (key == "tokenizer.ggml.precompiled_charsmap")
                    data.charsmap = raw;
            }
        } else {
            const std::string_view raw = take(width(type));
            if (raw.size() == 4)
                std::memcpy(&ids_[key], raw.data(), 4);
        }
    }
    template <class T> static void copy(std::string_view raw, std::vector<T>& out) {
        out.resize(raw.size() / sizeof(T));
        std::memcpy(out.data(), raw.data(), raw.size());
    }

    void finish() {
        const auto id = [this](const char* name, std::uint32_t& out) {
            const auto found = ids_.find(std::string("tokenizer.ggml.") + name + "_token_id");
            if (found != ids_.end())
                out = found->second;
        };
        id("bos", data.bos);
        id("eos", data.eos);
        id("unknown", data.unknown);
        id("separator", data.separator);
        id("seperator", data.separator);
        id("padding", data.padding);
        id("cls", data.cls);
        id("mask", data.mask);
    }

    std::string bytes_;
    std::size_t at_ = 0;
    std::map<std::string, std::uint32_t> ids_;
};

} // namespace bge::test
