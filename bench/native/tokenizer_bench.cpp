// Speed of our tokenizer and of llama.cpp's on the same texts, in one run.
//
//   tokenizer_bench VOCAB.gguf TEXT...        a text file holds one text a line
//
// VOCAB.gguf is any model with a tokenizer, or llama.cpp's models/ggml-vocab-nomic-bert-moe.gguf.
// Times are CPU seconds of this thread, so another busy process hardly changes them; each is the
// best of several passes. Prints one JSON object per text file and tokenizer.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "../../native/engine/tokenizer/tokenizer.h"
#include "../../native/test/gguf_vocabulary.h"
#include "llama.h"

namespace {

double cpu_seconds() {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

struct Result {
    double seconds;
    std::uint64_t tokens;
};

Result best_of(int passes, const std::function<std::uint64_t()>& body) {
    Result best{1e9, 0};
    for (int i = 0; i < passes; ++i) {
        const double start = cpu_seconds();
        const std::uint64_t tokens = body();
        best = {std::min(best.seconds, cpu_seconds() - start), tokens};
    }
    return best;
}

void print(const std::string& file, const char* name, const Result& result, std::size_t bytes) {
    std::printf("{\"text\":\"%s\",\"tokenizer\":\"%s\",\"tokens\":%llu,\"tokensPerSecond\":%.0f,"
                "\"megabytesPerSecond\":%.2f}\n",
                file.c_str(), name, static_cast<unsigned long long>(result.tokens),
                static_cast<double>(result.tokens) / result.seconds,
                static_cast<double>(bytes) / 1e6 / result.seconds);
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: tokenizer_bench VOCAB.gguf TEXT...\n");
        return 2;
    }
    const bge::test::GgufVocabulary file(argv[1]);
    std::shared_ptr<const bge::Tokenizer> tokenizer;
    const Result load = best_of(3, [&] {
        tokenizer = bge::Tokenizer::create(file.data);
        return std::uint64_t{tokenizer->size()};
    });
    std::printf("{\"loadMilliseconds\":%.1f,\"memoryMegabytes\":%.1f}\n", load.seconds * 1e3,
                static_cast<double>(tokenizer->memory_bytes()) / 1e6);

    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    llama_model* model = llama_model_load_from_file(argv[1], params);
    if (!model) {
        std::fprintf(stderr, "llama.cpp cannot load %s\n", argv[1]);
        return 1;
    }
    const llama_vocab* vocab = llama_model_get_vocab(model);

    for (int i = 2; i < argc; ++i) {
        std::vector<std::string> texts;
        std::size_t bytes = 0, longest = 0;
        std::ifstream in(argv[i]);
        for (std::string line; std::getline(in, line);) {
            bytes += line.size();
            longest = std::max(longest, line.size());
            texts.push_back(line);
        }
        print(argv[i], "ours",
              best_of(7,
                      [&] {
                          std::uint64_t tokens = 0;
                          for (const std::string& text : texts)
                              tokens += tokenizer->encode(text).ids.size();
                          return tokens;
                      }),
              bytes);
        print(argv[i], "ours with spans",
              best_of(7,
                      [&] {
                          bge::EncodeOptions options;
                          options.spans = true;
                          std::uint64_t tokens = 0;
                          for (const std::string& text : texts)
                              tokens += tokenizer->encode(text, options).ids.size();
                          return tokens;
                      }),
              bytes);
        std::vector<llama_token> ids(longest + 16);
        print(argv[i], "llama.cpp",
              best_of(3,
                      [&] {
                          std::uint64_t tokens = 0;
                          for (const std::string& text : texts)
                              tokens += static_cast<std::uint64_t>(llama_tokenize(
                                  vocab, text.data(), static_cast<std::int32_t>(text.size()),
                                  ids.data(), static_cast<std::int32_t>(ids.size()), true, true));
                          return tokens;
                      }),
              bytes);
    }
    llama_model_free(model);
    return 0;
}
