// Test code: as much JSON as the token fixtures need.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "../engine/tokenizer/utf8.h"

namespace bge::test {

/// Reads a JSON string whose opening quote is at `at`, and moves `at` behind the closing one. A
/// lone surrogate escape becomes U+FFFD, as it does where V8 writes UTF-8.
inline std::string read_json_string(const std::string& json, std::size_t& at) {
    const auto hex4 = [&](std::size_t i) {
        return static_cast<std::uint32_t>(std::stoul(json.substr(i, 4), nullptr, 16));
    };
    std::string out;
    for (++at; json.at(at) != '"'; ++at) {
        if (json[at] != '\\') {
            out += json[at];
            continue;
        }
        const char kind = json.at(++at);
        if (kind != 'u') {
            static const char kFrom[] = "\"\\/bfnrt";
            static const char kTo[] = "\"\\/\b\f\n\r\t";
            const char* found = std::strchr(kFrom, kind);
            if (!found)
                throw std::runtime_error("bad JSON escape");
            out += kTo[found - kFrom];
            continue;
        }
        std::uint32_t code = hex4(at + 1);
        at += 4;
        if (code >= 0xD800 && code <= 0xDBFF && json.compare(at + 1, 2, "\\u") == 0) {
            const std::uint32_t low = hex4(at + 3);
            if (low >= 0xDC00 && low <= 0xDFFF) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                at += 6;
            }
        }
        if (code >= 0xD800 && code <= 0xDFFF)
            code = utf8::kReplacement;
        char bytes[4];
        out.append(bytes, utf8::encode(code, bytes));
    }
    ++at;
    return out;
}

struct GoldCase {
    std::string text;
    std::vector<std::uint32_t> ids;
};

/// Reads `[{"text": "...", "ids": [...]}, ...]`.
inline std::vector<GoldCase> read_gold(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error("cannot open " + path);
    const std::string json{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    std::vector<GoldCase> cases;
    for (std::size_t at = 0; (at = json.find('"', at)) != std::string::npos;) {
        const std::string key = read_json_string(json, at);
        if (key == "text") {
            at = json.find('"', at);
            cases.push_back({read_json_string(json, at), {}});
        } else if (key == "ids") {
            at = json.find('[', at) + 1;
            while (json.find_first_of("0123456789", at) < json.find(']', at)) {
                at = json.find_first_of("0123456789", at);
                std::size_t digits = 0;
                cases.back().ids.push_back(
                    static_cast<std::uint32_t>(std::stoul(json.substr(at, 10), &digits)));
                at += digits;
            }
        }
    }
    return cases;
}

} // namespace bge::test
