// The float64 reference as a command, for tests in other languages.
//
//   reference_cli MODEL.gguf [--heads SPARSE.bin COLBERT.bin] [--raw FILE] [--states] [--threads N]
//
// stdin:  one line per text, {"ids": [0, 35378, ..., 2]}; of a pair also {"first": 12}, the tokens
//         before the second text
// stdout: one line per text,
//         {"dense": [...], "sparse": {"indices": [...], "values": [...]}, "colbert": [[...]]}
//         (sparse and colbert only when there are heads: in the GGUF or by --heads)
// --raw:  instead of stdout a file of float64 records, one per text: tokens, dim, sparse entries,
//         colbert rows, state rows, a re-ranker's score or NaN; dense (dim); sparse indices; sparse
//         values; colbert (rows x dim); with --states the token states (tokens x dim).
#include "outputs.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>

using namespace bge::reference;

namespace {

struct Options {
    std::string model, sparse, colbert, raw;
    bool states = false;
    int threads = 2;
};

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const auto next = [&] {
            if (++i >= argc)
                throw std::invalid_argument(word + " needs a value");
            return std::string(argv[i]);
        };
        if (word == "--heads") {
            options.sparse = next();
            options.colbert = next();
        } else if (word == "--raw") {
            options.raw = next();
        } else if (word == "--states") {
            options.states = true;
        } else if (word == "--threads") {
            options.threads = std::max(1, std::atoi(next().c_str()));
        } else {
            options.model = word;
        }
    }
    if (options.model.empty())
        throw std::invalid_argument("usage: reference_cli MODEL.gguf [--heads SPARSE COLBERT] "
                                    "[--raw FILE] [--states] [--threads N] < ids.jsonl");
    return options;
}

/// The numbers of the line's "ids" array.
std::vector<int32_t> ids_of(const std::string& line) {
    const size_t key = line.find("\"ids\"");
    const size_t open = key == std::string::npos ? key : line.find('[', key);
    const size_t close = open == std::string::npos ? open : line.find(']', open);
    if (close == std::string::npos)
        throw std::invalid_argument("a line has no \"ids\" array");
    std::vector<int32_t> ids;
    const char* at = line.c_str() + open + 1;
    const char* end = line.c_str() + close;
    while (at < end) {
        char* after = nullptr;
        const long id = std::strtol(at, &after, 10);
        if (after == at)
            break;
        ids.push_back(static_cast<int32_t>(id));
        at = after;
        while (at < end && (*at == ',' || std::isspace(static_cast<unsigned char>(*at))))
            ++at;
    }
    return ids;
}

/// The line's "first"; behind all ids where there is none.
size_t first_of(const std::string& line) {
    const size_t key = line.find("\"first\":");
    if (key == std::string::npos)
        return SIZE_MAX;
    return static_cast<size_t>(std::strtoul(line.c_str() + key + 8, nullptr, 10));
}

void append_number(std::string& out, double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.17g", value);
    out += text;
}

void append_array(std::string& out, const double* values, size_t count) {
    out += '[';
    for (size_t i = 0; i < count; ++i) {
        if (i)
            out += ',';
        append_number(out, values[i]);
    }
    out += ']';
}

void print_json(const Outputs& result, size_t dim, bool heads) {
    std::string line = "{\"dense\":";
    append_array(line, result.dense.data(), dim);
    if (heads) {
        std::string indices, values;
        for (const auto& [id, weight] : result.sparse) {
            indices += (indices.empty() ? "" : ",") + std::to_string(id);
            if (!values.empty())
                values += ',';
            append_number(values, weight);
        }
        line +=
            ",\"sparse\":{\"indices\":[" + indices + "],\"values\":[" + values + "]},\"colbert\":[";
        for (size_t row = 0; row * dim < result.colbert.size(); ++row) {
            if (row)
                line += ',';
            append_array(line, &result.colbert[row * dim], dim);
        }
        line += ']';
    }
    std::cout << line << "}\n" << std::flush;
}

void write_raw(std::ofstream& file, const Outputs& result, const std::vector<double>& states,
               size_t tokens, size_t dim, bool with_states, double score) {
    const auto put = [&](const double* values, size_t count) {
        file.write(reinterpret_cast<const char*>(values),
                   static_cast<std::streamsize>(count * sizeof(double)));
    };
    const double head[] = {static_cast<double>(tokens),
                           static_cast<double>(dim),
                           static_cast<double>(result.sparse.size()),
                           static_cast<double>(result.colbert.size() / dim),
                           static_cast<double>(with_states ? tokens : 0),
                           score};
    put(head, 6);
    put(result.dense.data(), dim);
    std::vector<double> indices, weights;
    for (const auto& [id, weight] : result.sparse) {
        indices.push_back(id);
        weights.push_back(weight);
    }
    put(indices.data(), indices.size());
    put(weights.data(), weights.size());
    put(result.colbert.data(), result.colbert.size());
    if (with_states)
        put(states.data(), states.size());
    file.flush();
}

int run(const Options& options) {
    const Encoder encoder(options.model, options.threads);
    const std::optional<Heads> heads =
        options.sparse.empty() ? heads_in(encoder.file())
                               : heads_from(options.sparse, options.colbert, encoder.dim());
    std::ofstream raw;
    if (!options.raw.empty()) {
        raw.open(options.raw, std::ios::binary);
        if (!raw)
            throw std::invalid_argument("cannot write " + options.raw);
    }
    std::string line;
    while (std::getline(std::cin, line)) {
        if (line.empty())
            continue;
        const std::vector<int32_t> ids = ids_of(line);
        const std::vector<double> states = encoder.encode(ids, first_of(line));
        const Outputs result =
            outputs_of(states, ids, encoder.dim(), encoder.mean_pooling(), heads);
        if (raw.is_open())
            write_raw(raw, result, states, ids.size(), encoder.dim(), options.states,
                      encoder.score(states));
        else
            print_json(result, encoder.dim(), heads.has_value());
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(parse(argc, argv));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
