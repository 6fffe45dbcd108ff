// Test program: token ids of each text on stdin.
//
//   tokenize_cli VOCAB.gguf [--spans] < texts.jsonl > ids.jsonl
//
// A line of input is one JSON string; a line of output is {"ids":[...],"spans":[[begin,end],...]}.
// Spans are UTF-16 indices.
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include "../engine/tokenizer/tokenizer.h"
#include "gguf_vocabulary.h"
#include "json_text.h"

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: tokenize_cli VOCAB.gguf [--spans]\n");
        return 2;
    }
    try {
        const bge::test::GgufVocabulary vocabulary(argv[1]);
        bge::EncodeOptions options;
        options.spans = argc > 2 && std::strcmp(argv[2], "--spans") == 0;
        const auto tokenizer = bge::Tokenizer::create(vocabulary.data);
        std::string line, out;
        while (std::getline(std::cin, line)) {
            std::size_t at = line.find('"');
            const std::string text = bge::test::read_json_string(line, at);
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
