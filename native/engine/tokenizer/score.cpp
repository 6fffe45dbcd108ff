#include "score.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace bge {

namespace {

/// Writes the shortest decimal that reads back as `value`, like "2.0364751815795898e+01".
void write_shortest(double value, char (&text)[40]) {
#if defined(__cpp_lib_to_chars)
    *std::to_chars(text, text + sizeof text - 1, value, std::chars_format::scientific).ptr = '\0';
#else // libc++ before LLVM 20; ten times slower
    for (int precision = 14; precision <= 16; ++precision) {
        std::snprintf(text, sizeof text, "%.*e", precision, value);
        if (std::strtod(text, nullptr) == value)
            break;
    }
#endif
}

double power_of_ten(int exponent) {
    // Exact, as these are; scores of real vocabularies need no others.
    constexpr double kExact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    return exponent <= 22 ? kExact[exponent] : std::pow(10.0, exponent);
}

} // namespace

double score_as_read_from_json(float score) {
    if (score == 0.0f)
        return 0.0;
    char text[40];
    write_shortest(std::fabs(static_cast<double>(score)), text);

    // Trailing zeros ("5.500e+00" of the slow way) are not digits of the shortest decimal.
    std::uint64_t digits = 0;
    int exponent = 0;
    int zeros = 0;
    const char* at = text;
    for (; *at != 'e'; ++at) {
        if (*at < '0' || *at > '9')
            continue; // the point
        if (at > text)
            --exponent;
        if (*at == '0') {
            ++zeros;
            continue;
        }
        for (; zeros > 0; --zeros)
            digits *= 10;
        digits = digits * 10 + static_cast<std::uint64_t>(*at - '0');
    }
    exponent += zeros + std::atoi(at + 1);

    const double whole = static_cast<double>(digits);
    const double value =
        exponent < 0 ? whole / power_of_ten(-exponent) : whole * power_of_ten(exponent);
    return score < 0.0f ? -value : value;
}

} // namespace bge
