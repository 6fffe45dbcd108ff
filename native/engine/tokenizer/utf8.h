// UTF-8 one code point at a time. Ill-formed input never fails: each maximal ill-formed part reads
// as one U+FFFD, as the WHATWG decoder (and so JavaScript's TextDecoder) has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bge::utf8 {

constexpr std::uint32_t kReplacement = 0xFFFD;

struct CodePoint {
    std::uint32_t value;
    std::uint32_t size; ///< bytes read; at least 1
    bool valid;
};

namespace detail {

inline bool is_continuation(unsigned char byte) {
    return (byte & 0xC0u) == 0x80u;
}

/// Reads a sequence that starts with a byte >= 0x80.
inline CodePoint decode_multibyte(const unsigned char* p, std::size_t available) {
    const unsigned char lead = p[0];
    std::uint32_t length, value;
    unsigned char low = 0x80, high = 0xBF; // bounds of the second byte (Unicode, table 3-7)
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
        value = lead & 0x1Fu;
    } else if ((lead & 0xF0u) == 0xE0u) {
        length = 3;
        value = lead & 0x0Fu;
        if (lead == 0xE0)
            low = 0xA0; // no overlong forms
        else if (lead == 0xED)
            high = 0x9F; // no surrogates
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        value = lead & 0x07u;
        if (lead == 0xF0)
            low = 0x90;
        else if (lead == 0xF4)
            high = 0x8F; // nothing above U+10FFFF
    } else {
        return {kReplacement, 1, false};
    }
    if (available < 2 || p[1] < low || p[1] > high)
        return {kReplacement, 1, false};
    value = (value << 6) | (p[1] & 0x3Fu);
    for (std::uint32_t i = 2; i < length; ++i) {
        if (i >= available || !is_continuation(p[i]))
            return {kReplacement, i, false};
        value = (value << 6) | (p[i] & 0x3Fu);
    }
    return {value, length, true};
}

} // namespace detail

/// Reads the code point at `p`; `available` is the number of bytes there and must not be 0.
inline CodePoint decode(const char* p, std::size_t available) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(p);
    if (bytes[0] < 0x80)
        return {bytes[0], 1, true};
    return detail::decode_multibyte(bytes, available);
}

/// Writes `code_point` to `out` (room for 4 bytes) and returns its length.
inline std::size_t encode(std::uint32_t code_point, char* out) {
    if (code_point < 0x80) {
        out[0] = static_cast<char>(code_point);
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = static_cast<char>(0xC0u | (code_point >> 6));
        out[1] = static_cast<char>(0x80u | (code_point & 0x3Fu));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = static_cast<char>(0xE0u | (code_point >> 12));
        out[1] = static_cast<char>(0x80u | ((code_point >> 6) & 0x3Fu));
        out[2] = static_cast<char>(0x80u | (code_point & 0x3Fu));
        return 3;
    }
    out[0] = static_cast<char>(0xF0u | (code_point >> 18));
    out[1] = static_cast<char>(0x80u | ((code_point >> 12) & 0x3Fu));
    out[2] = static_cast<char>(0x80u | ((code_point >> 6) & 0x3Fu));
    out[3] = static_cast<char>(0x80u | (code_point & 0x3Fu));
    return 4;
}

/// The length of the sequence that starts with `lead`, in text known to be well-formed.
inline std::size_t sequence_length(char lead) {
    const auto byte = static_cast<unsigned char>(lead);
    return byte < 0x80 ? 1u : byte < 0xE0 ? 2u : byte < 0xF0 ? 3u : 4u;
}

inline bool is_well_formed(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const CodePoint c = decode(text.data() + i, text.size() - i);
        if (!c.valid)
            return false;
        i += c.size;
    }
    return true;
}

} // namespace bge::utf8
