// Test program: token ids of each text on stdin.
//
//   tokenize_cli VOCAB.gguf [--spans] [--pieces N] < texts.jsonl > ids.jsonl
//
// A line of input is one JSON string; a line of output is {"ids":[...],"spans":[[begin,end],...]}.
// Spans are UTF-16 indices. --pieces N uses the first N pieces only (bge-m3 has 250,002;
// llama.cpp's test vocabulary is padded to 250,048).
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include "../engine/error.h"
#include "../engine/tokenizer/tokenizer.h"
#include "../engine/tokenizer/utf8.h"
#include "gguf_vocabulary.h"

namespace {

std::uint32_t hex4(const std::string& line, std::size_t at) {
    return static_cast<std::uint32_t>(std::stoul(line.substr(at, 4), nullptr, 16));
}

/// Decodes a JSON string. A lone surrogate escape becomes U+FFFD, as V8 does at its UTF-8 border.
std::string unquote(const std::string& line) {
    std::string out;
    const std::size_t end = line.rfind('"');
    for (std::size_t i = line.find('"') + 1; i < end; ++i) {
        if (line[i] != '\\') {
            out += line[i];
            continue;
        }
        const char kind = line[++i];
        const char* from = "\"\\/bfnrt";
        const char* to = "\"\\/\b\f\n\r\t";
        if (kind != 'u') {
            out += to[std::strchr(from, kind) - from];
            continue;
        }
        std::uint32_t code = hex4(line, i + 1);
        i += 4;
        if (code >= 0xD800 && code <= 0xDBFF && line.compare(i + 1, 2, "\\u") == 0) {
            const std::uint32_t low = hex4(line, i + 3);
            if (low >= 0xDC00 && low <= 0xDFFF) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                i += 6;
            }
        }
        if (code >= 0xD800 && code <= 0xDFFF)
            code = bge::utf8::kReplacement;
        char bytes[4];
        out.append(bytes, bge::utf8::encode(code, bytes));
    }
    return out;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: tokenize_cli VOCAB.gguf [--spans] [--pieces N]\n");
        return 2;
    }
    try {
        test::GgufVocabulary vocabulary(argv[1]);
        bge::EncodeOptions options;
        for (int i = 2; i < argc; ++i) {
            if (std::strcmp(argv[i], "--spans") == 0) {
                options.spans = true;
            } else if (std::strcmp(argv[i], "--pieces") == 0 && i + 1 < argc) {
                const std::size_t count = std::stoul(argv[++i]);
                vocabulary.data.pieces.resize(count);
                vocabulary.data.scores.resize(count);
                vocabulary.data.types.resize(count);
            }
        }
        const auto tokenizer = bge::Tokenizer::create(vocabulary.data);
        std::string line, out;
        while (std::getline(std::cin, line)) {
            const std::string text = unquote(line);
            bge::Encoding encoding = tokenizer->encode(text, options);
            out = "{\"ids\":[";
            for (std::size_t i = 0; i < encoding.ids.size(); ++i)
                out += (i ? "," : "") + std::to_string(encoding.ids[i]);
            out += "]";
            if (options.spans) {
                bge::to_utf16_spans(text, encoding.spans);
                out += ",\"spans\":[";
                for (std::size_t i = 0; i < encoding.spans.size(); ++i)
                    out += (i ? ",[" : "[") + std::to_string(encoding.spans[i].begin) + "," +
                           std::to_string(encoding.spans[i].end) + "]";
                out += "]";
            }
            out += "}\n";
            std::fwrite(out.data(), 1, out.size(), stdout);
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "tokenize_cli: %s\n", error.what());
        return 1;
    }
    return 0;
}
