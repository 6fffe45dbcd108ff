// Feeds hostile model files to everything that reads one: header, check, llama.cpp's loader,
// tokenizer, one forward pass. Each file gets a process of its own; one that dies or hangs, or that
// fails with anything but a typed error, is a finding.
//
//   fuzz_model [files = 300] [first seed = 1] [--keep DIR] [--verbose]
//
// A finding is reproduced with `fuzz_model 1 SEED --keep DIR`, which leaves the file in DIR.
#include "fuzz_exercise.h"
#include "fuzz_mutations.h"
#include "gguf_builder.h"
#include "isolated.h"
#include "tiny_model.h"

#include "../engine/error.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>
#include <string>

using namespace bge;
using namespace bge::test;

namespace {

enum Exit { kEmbedded = 0, kRefused = 10, kRefusedLate = 11, kUntyped = 12 };

/// In the child.
int try_model(const std::string& path) {
    try {
        exercise_model(path);
        return kEmbedded;
    } catch (const Error& e) {
        std::printf("%s: %s\n", error_code_name(e.code()), e.what());
        // The check should have known: llama.cpp refused what we let pass.
        const bool late = std::string(e.what()).find("llama.cpp could not") != std::string::npos &&
                          e.code() == ErrorCode::ModelLoad;
        return late ? kRefusedLate : kRefused;
    } catch (const std::exception& e) {
        std::printf("untyped: %s\n", e.what());
        return kUntyped;
    }
}

void keep(const std::string& directory, uint64_t seed, const std::vector<uint8_t>& bytes) {
    if (directory.empty())
        return;
    std::ofstream file(directory + "/seed-" + std::to_string(seed) + ".gguf", std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

} // namespace

int main(int argc, char** argv) {
    long numbers[2] = {300, 1};
    int given = 0;
    std::string directory;
    bool verbose = false;
    for (int i = 1; i < argc; ++i) {
        if (std::string(argv[i]) == "--keep" && i + 1 < argc)
            directory = argv[++i];
        else if (std::string(argv[i]) == "--verbose")
            verbose = true;
        else if (given < 2)
            numbers[given++] = std::strtol(argv[i], nullptr, 10);
    }

    // The unchanged model must pass, or nothing below means anything.
    for (const bool unigram : {true, false}) {
        TinyShape shape;
        shape.unigram = unigram;
        const TempFile file(tiny_model(shape).build());
        const IsolatedResult result = run_isolated([&] { return try_model(file.path()); });
        if (result.died() || result.exit_code != kEmbedded) {
            std::printf("FAIL the unchanged model: %s\n%s\n", result.describe().c_str(),
                        result.output.c_str());
            return 1;
        }
    }

    std::map<int, int> outcomes;
    int findings = 0;
    const auto start = std::chrono::steady_clock::now();
    for (long i = 0; i < numbers[0]; ++i) {
        const auto seed = static_cast<uint64_t>(numbers[1] + i);
        const MutatedModel model = mutated_model(seed);
        const TempFile file(model.bytes);
        const IsolatedResult result = run_isolated([&] { return try_model(file.path()); });
        ++outcomes[result.died() ? -1 : result.exit_code];
        const bool typed =
            !result.died() && (result.exit_code == kEmbedded || result.exit_code == kRefused ||
                               result.exit_code == kRefusedLate);
        if (!typed) {
            ++findings;
            std::printf("FAIL seed %llu (%s): %s\n%s\n", static_cast<unsigned long long>(seed),
                        model.description.c_str(), result.describe().c_str(),
                        result.output.c_str());
        } else if (result.exit_code == kRefusedLate) {
            std::printf("note: seed %llu (%s) was refused by llama.cpp only: %s",
                        static_cast<unsigned long long>(seed), model.description.c_str(),
                        result.output.c_str());
        }
        if (typed && verbose)
            std::printf("seed %llu (%s): %s\n", static_cast<unsigned long long>(seed),
                        model.description.c_str(),
                        result.output.empty() ? "embedded\n" : result.output.c_str());
        if (!typed || numbers[0] == 1)
            keep(directory, seed, model.bytes);
        std::fflush(stdout);
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::printf("%s %ld files in %.1f s: %d embedded, %d refused, %d refused by llama.cpp, "
                "%d findings\n",
                findings ? "FAIL" : "ok", numbers[0], seconds, outcomes[kEmbedded],
                outcomes[kRefused], outcomes[kRefusedLate], findings);
    return findings ? 1 : 0;
}
