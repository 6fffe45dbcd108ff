#include "file_kind.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace bge {

namespace {

struct Signature {
    const char* bytes;
    size_t length;
    const char* meaning;
};

constexpr Signature kSignatures[] = {
    {"version https://git-lfs", 23,
     "it looks like a Git LFS pointer: fetch the real file with `git lfs pull`"},
    {"PK\x03\x04", 4,
     "it looks like a zip archive, as PyTorch's .pt and .bin files are: convert it to GGUF first"},
    {"\x80\x02", 2, "it looks like a Python pickle: convert the checkpoint to GGUF first"},
    {"\x1f\x8b", 2, "it looks gzip-compressed: unpack it first"},
    {"\x28\xb5\x2f\xfd", 4, "it looks zstd-compressed: unpack it first"},
    {"\xfd"
     "7zXZ",
     5, "it looks xz-compressed: unpack it first"},
    {"tjgg", 4, "it is in llama.cpp's old format from before GGUF: convert it again"},
    {"lmgg", 4, "it is in llama.cpp's old format from before GGUF: convert it again"},
    {"fmgg", 4, "it is in llama.cpp's old format from before GGUF: convert it again"},
    {"\x89HDF", 4, "it looks like an HDF5 file (Keras): convert the checkpoint to GGUF first"},
    {"\x08\x07", 2, "it looks like an ONNX file: this package reads GGUF"},
    {"\x08\x08", 2, "it looks like an ONNX file: this package reads GGUF"},
    {"\x08\x09", 2, "it looks like an ONNX file: this package reads GGUF"},
    {"\x08\x0a", 2, "it looks like an ONNX file: this package reads GGUF"},
};

bool looks_like_safetensors(const uint8_t* head, size_t count, uint64_t file_size) {
    if (count < 9 || head[8] != '{')
        return false;
    uint64_t header = 0;
    for (int i = 7; i >= 0; --i)
        header = header << 8 | head[i];
    return header < file_size;
}

bool looks_like_text(const uint8_t* head, size_t count) {
    return std::all_of(head, head + count, [](uint8_t c) {
        return c == '\n' || c == '\r' || c == '\t' || (c >= 0x20 && c != 0x7f);
    });
}

} // namespace

std::string describe_foreign_file(const uint8_t* head, size_t count, uint64_t file_size) {
    for (const Signature& s : kSignatures)
        if (count >= s.length && std::memcmp(head, s.bytes, s.length) == 0)
            return s.meaning;
    if (looks_like_safetensors(head, count, file_size))
        return "it looks like a safetensors file: convert the checkpoint to GGUF first";
    if (std::all_of(head, head + count, [](uint8_t c) { return c == 0; }))
        return "it begins with zeros: perhaps a download that did not finish";
    size_t start = 0;
    while (start < count && std::isspace(head[start]))
        ++start;
    if (start < count && head[start] == '<' && looks_like_text(head, count))
        return "it looks like an HTML or XML page: the download probably answered with an error "
               "page";
    if (start < count && head[start] == '{' && looks_like_text(head, count))
        return "it looks like JSON: the download probably answered with an error, or it is a "
               "config file";
    if (looks_like_text(head, count))
        return "it looks like a text file";
    return "its first bytes are unknown";
}

std::string quoted(const std::string& name) {
    constexpr size_t kLongest = 80;
    std::string out = "\"";
    for (size_t i = 0; i < name.size() && i < kLongest; ++i) {
        const unsigned char c = static_cast<unsigned char>(name[i]);
        out += c >= 0x20 && c < 0x7f && c != '"' ? name[i] : '?';
    }
    return out + (name.size() > kLongest ? "...\"" : "\"");
}

} // namespace bge
