#include "charsmap.h"

#include "../error.h"
#include "utf8.h"

namespace bge {

namespace {

// A unit of a Darts-clone double array.
bool has_leaf(std::uint32_t unit) {
    return ((unit >> 8) & 1u) != 0;
}
std::uint32_t leaf_value(std::uint32_t unit) {
    return unit & 0x7FFFFFFFu;
}
std::uint32_t label(std::uint32_t unit) {
    return unit & 0x800000FFu; // a leaf's top bit keeps it from matching any byte
}
std::uint32_t child_offset(std::uint32_t unit) {
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
        value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    return value;
}

[[noreturn]] void fail(const char* what) {
    throw Error(ErrorCode::ModelLoad, std::string("the tokenizer's charsmap is damaged: ") + what);
}

} // namespace

Charsmap::Charsmap(std::string_view bytes) {
    if (bytes.empty())
        return;
    if (bytes.size() < 4)
        fail("no header");
    const std::size_t array_bytes = read_u32(bytes, 0);
    if (array_bytes % 4 != 0 || array_bytes == 0 || array_bytes > bytes.size() - 4)
        fail("the array does not fit");
    units_.resize(array_bytes / 4);
    for (std::size_t i = 0; i < units_.size(); ++i)
        units_[i] = read_u32(bytes, 4 + 4 * i);
    replacements_.assign(bytes.substr(4 + array_bytes));
    if (!utf8::is_well_formed(replacements_))
        fail("a replacement is not UTF-8");
    check_reachable();
}

void Charsmap::check_reachable() const {
    // A state is the position of a node's children, `base`. Marking states keeps cycles finite.
    std::vector<bool> seen(units_.size(), false);
    std::vector<std::uint32_t> open;
    const auto visit = [&](std::uint32_t base) {
        if (base >= units_.size())
            fail("a node lies outside of the array");
        if (!seen[base]) {
            seen[base] = true;
            open.push_back(base);
        }
    };
    visit(child_offset(units_[0]));
    while (!open.empty()) {
        const std::uint32_t base = open.back();
        open.pop_back();
        for (std::uint32_t byte = 1; byte < 256; ++byte) {
            const std::uint32_t child = base ^ byte;
            if (child >= units_.size() || label(units_[child]) != byte)
                continue;
            const std::uint32_t next = child ^ child_offset(units_[child]);
            visit(next);
            if (!has_leaf(units_[child]))
                continue;
            const std::size_t offset = leaf_value(units_[next]);
            if (offset >= replacements_.size())
                fail("a replacement lies outside of the text");
            if ((static_cast<unsigned char>(replacements_[offset]) & 0xC0u) == 0x80u)
                fail("a replacement begins inside a character");
        }
    }
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
    if (units_.empty())
        return std::nullopt;
    std::uint32_t base = child_offset(units_[0]);
    for (const char c : text) {
        const std::uint32_t byte = static_cast<unsigned char>(c);
        const std::uint32_t child = base ^ byte;
        if (byte == 0 || child >= units_.size() || label(units_[child]) != byte)
            return std::nullopt;
        base = child ^ child_offset(units_[child]);
        if (has_leaf(units_[child]))
            return replacement_at(leaf_value(units_[base]));
    }
    return std::nullopt;
}

std::string_view Charsmap::replacement_at(std::size_t offset) const {
    const std::string_view rest = std::string_view(replacements_).substr(offset);
    return rest.substr(0, rest.find('\0'));
}

} // namespace bge
