#include "gguf_header.h"

#include "../error.h"
#include "file_kind.h"
#include "file_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <unordered_set>

namespace bge {

namespace {

// llama.cpp looks for duplicate keys and tensors by comparing each with each, and reads arrays
// element by element: without these limits a small hostile file keeps it busy for hours. The
// largest encoder (512 layers) has about 8,200 tensors; a 250,000-token vocabulary takes 7 MB.
constexpr uint64_t kMaxKeys = 4096;
constexpr uint64_t kMaxTensors = 16384;
constexpr uint64_t kMaxHeaderBytes = uint64_t(256) << 20;
constexpr uint64_t kMaxKeyBytes = 65535;     // the format's own limit
constexpr uint64_t kMaxTensorNameBytes = 63; // GGML_MAX_NAME - 1
constexpr uint32_t kMaxDimensions = 4;
constexpr uint32_t kMaxAlignment = 1u << 20;
constexpr size_t kReadChunk = size_t(1) << 20;

size_t scalar_size(GgufType type) {
    switch (type) {
    case GgufType::U8:
    case GgufType::I8:
    case GgufType::Bool:
        return 1;
    case GgufType::U16:
    case GgufType::I16:
        return 2;
    case GgufType::U32:
    case GgufType::I32:
    case GgufType::F32:
        return 4;
    case GgufType::U64:
    case GgufType::I64:
    case GgufType::F64:
        return 8;
    case GgufType::String:
    case GgufType::Array:
        break;
    }
    return 0;
}

/// A cursor over the file's beginning that pulls it into memory as far as it is needed.
class HeaderCursor {
  public:
    HeaderCursor(const FileReader& file, std::vector<uint8_t>& bytes)
        : file_(file), bytes_(bytes) {}

    size_t position() const { return position_; }
    uint64_t remaining() const { return file_.size() - position_; }

    [[noreturn]] void fail(const std::string& what) const {
        throw Error(ErrorCode::ModelLoad, "model file " + file_.path() + " is damaged: " + what);
    }

    /// Moves over `count` bytes, which must exist, and returns where they begin in `bytes`.
    size_t take(uint64_t count, const char* what) {
        if (count > remaining())
            fail(std::string("it ends within ") + what + " (cut off or wrong length)");
        if (count > kMaxHeaderBytes - position_)
            fail(std::string(what) + " makes the header larger than 256 MB");
        const size_t begin = position_;
        const size_t end = begin + static_cast<size_t>(count);
        if (end > bytes_.size()) {
            const size_t have = bytes_.size();
            const uint64_t target = std::min<uint64_t>(
                file_.size(), std::max<uint64_t>(end, uint64_t(have) + kReadChunk));
            bytes_.resize(static_cast<size_t>(target));
            file_.read_at(have, bytes_.data() + have, bytes_.size() - have);
        }
        position_ = end;
        return begin;
    }

    template <class T> T number(const char* what) {
        T value;
        const size_t at = take(sizeof(T), what);
        std::memcpy(&value, bytes_.data() + at, sizeof(T));
        return value;
    }

    std::string string(uint64_t limit, const char* what) {
        const uint64_t length = number<uint64_t>(what);
        if (length > limit)
            fail(std::string(what) + " is " + std::to_string(length) + " bytes long, more than " +
                 std::to_string(limit));
        const size_t at = take(length, what);
        return std::string(reinterpret_cast<const char*>(bytes_.data() + at),
                           static_cast<size_t>(length));
    }

  private:
    const FileReader& file_;
    std::vector<uint8_t>& bytes_;
    size_t position_ = 0;
};

void read_magic(HeaderCursor& in, const FileReader& file, const std::vector<uint8_t>& bytes) {
    if (file.size() == 0)
        throw Error(ErrorCode::ModelLoad, "model file " + file.path() + " is empty");
    const size_t head = static_cast<size_t>(std::min<uint64_t>(file.size(), 4));
    in.take(head, "the first bytes");
    if (head < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0)
        throw Error(ErrorCode::ModelLoad,
                    file.path() + " is not a GGUF model: " +
                        describe_foreign_file(bytes.data(), std::min<size_t>(bytes.size(), 256),
                                              file.size()));
}

uint32_t read_version(HeaderCursor& in) {
    const uint32_t version = in.number<uint32_t>("the header");
    if (version == 1)
        in.fail("GGUF version 1 is no longer supported: convert the model again");
    if ((version & 0xffff) == 0 && version != 0)
        in.fail("it is in big-endian byte order, which this machine does not use");
    if (version != 2 && version != 3)
        in.fail("GGUF version " + std::to_string(version) + " is unknown (2 and 3 are supported)");
    return version;
}

/// Moves over one array's elements; strings one by one, since each carries its own length.
void skip_elements(HeaderCursor& in, const GgufValue& value) {
    const std::string what = "the value of key " + quoted(value.key);
    if (value.element_type != GgufType::String) {
        const size_t size = scalar_size(value.element_type);
        if (size == 0)
            in.fail(what + (value.element_type == GgufType::Array
                                ? " is an array of arrays"
                                : " has the unknown type " +
                                      std::to_string(static_cast<uint32_t>(value.element_type))));
        if (value.count > in.remaining() / size)
            in.fail(what + " claims more elements than the file has bytes");
        in.take(value.count * size, what.c_str());
        return;
    }
    if (value.count > in.remaining() / sizeof(uint64_t))
        in.fail(what + " claims more strings than the file has bytes");
    for (uint64_t i = 0; i < value.count; ++i)
        in.take(in.number<uint64_t>(what.c_str()), what.c_str());
}

void read_values(HeaderCursor& in, uint64_t count, GgufHeader& header) {
    std::unordered_set<std::string> seen;
    for (uint64_t i = 0; i < count; ++i) {
        GgufValue value;
        value.key = in.string(kMaxKeyBytes, "a metadata key");
        // llama.cpp cuts keys and names at a NUL, so they could become equal there.
        if (value.key.empty() || value.key.find('\0') != std::string::npos)
            in.fail("a metadata key is empty or contains a NUL");
        if (!seen.insert(value.key).second)
            in.fail("the metadata key " + quoted(value.key) + " occurs twice");
        value.type = static_cast<GgufType>(in.number<uint32_t>("a metadata type"));
        value.element_type = value.type;
        value.count = 1;
        if (value.type == GgufType::Array) {
            value.element_type = static_cast<GgufType>(in.number<uint32_t>("an array's type"));
            value.count = in.number<uint64_t>("an array's length");
        }
        value.offset = in.position();
        skip_elements(in, value);
        value.size = in.position() - value.offset;
        header.values.push_back(std::move(value));
    }
}

uint32_t read_alignment(const HeaderCursor& in, const GgufHeader& header) {
    for (const GgufValue& value : header.values) {
        if (value.key != "general.alignment")
            continue;
        if (value.type != GgufType::U32)
            in.fail("general.alignment is not a 32-bit number");
        uint32_t alignment = 0;
        std::memcpy(&alignment, header.bytes.data() + value.offset, sizeof alignment);
        if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > kMaxAlignment)
            in.fail("general.alignment is " + std::to_string(alignment) +
                    ", which is not a sensible power of two");
        return alignment;
    }
    return 32;
}

/// Bytes of a tensor of this shape; fails when it is not a whole number of blocks or overflows.
uint64_t tensor_bytes(const HeaderCursor& in, const GgufTensor& tensor,
                      const TensorTypeInfo& info) {
    if (tensor.shape[0] % info.block_elements != 0)
        in.fail("tensor " + quoted(tensor.name) + " of type " + info.name + " has rows of " +
                std::to_string(tensor.shape[0]) + " elements, not a multiple of " +
                std::to_string(info.block_elements));
    uint64_t bytes = info.block_bytes;
    const uint64_t factors[] = {static_cast<uint64_t>(tensor.shape[0]) / info.block_elements,
                                static_cast<uint64_t>(tensor.shape[1]),
                                static_cast<uint64_t>(tensor.shape[2]),
                                static_cast<uint64_t>(tensor.shape[3])};
    // Below 2^55 bytes even one-bit elements can be counted in 63 bits.
    constexpr uint64_t kLimit = uint64_t(1) << 55;
    for (const uint64_t factor : factors) {
        if (factor > kLimit / bytes)
            in.fail("tensor " + quoted(tensor.name) + " is impossibly large");
        bytes *= factor;
    }
    return bytes;
}

GgufTensor read_tensor_info(HeaderCursor& in) {
    GgufTensor tensor;
    tensor.name = in.string(kMaxTensorNameBytes, "a tensor's name");
    if (tensor.name.empty() || tensor.name.find('\0') != std::string::npos)
        in.fail("a tensor's name is empty or contains a NUL");
    const uint32_t dimensions = in.number<uint32_t>("a tensor's shape");
    if (dimensions == 0 || dimensions > kMaxDimensions)
        in.fail("tensor " + quoted(tensor.name) + " has " + std::to_string(dimensions) +
                " dimensions");
    tensor.shape = {1, 1, 1, 1};
    for (uint32_t d = 0; d < dimensions; ++d) {
        tensor.shape[d] = in.number<int64_t>("a tensor's shape");
        if (tensor.shape[d] <= 0)
            in.fail("tensor " + quoted(tensor.name) + " has a dimension of " +
                    std::to_string(tensor.shape[d]));
    }
    const uint32_t type = in.number<uint32_t>("a tensor's type");
    const TensorTypeInfo* info = tensor_type_info(type);
    if (!info)
        in.fail("tensor " + quoted(tensor.name) + " has the unknown type " + std::to_string(type));
    tensor.type = info->type;
    tensor.offset = in.number<uint64_t>("a tensor's offset");
    tensor.bytes = tensor_bytes(in, tensor, *info);
    return tensor;
}

/// Turns offsets within the data section into offsets within the file. The format (and llama.cpp)
/// want tensors back to back in the order of their list, padded to the alignment; so none overlap.
void place_tensors(const HeaderCursor& in, const FileReader& file, GgufHeader& header) {
    const uint64_t mask = header.alignment - 1;
    header.data_offset = (uint64_t(in.position()) + mask) & ~mask;
    uint64_t expected = 0;
    for (GgufTensor& tensor : header.tensors) {
        if (tensor.offset != expected)
            in.fail("tensor " + quoted(tensor.name) + " begins at " +
                    std::to_string(tensor.offset) + " where " + std::to_string(expected) +
                    " is expected");
        if (header.data_offset > file.size() || expected > file.size() - header.data_offset ||
            tensor.bytes > file.size() - header.data_offset - expected)
            in.fail("it ends within tensor " + quoted(tensor.name) +
                    " (cut off: the download or copy did not finish?)");
        tensor.offset = header.data_offset + expected;
        expected += (tensor.bytes + mask) & ~mask;
    }
}

} // namespace

const char* gguf_type_name(GgufType type) {
    constexpr const char* kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                      "bool", "string", "array", "u64", "i64", "f64"};
    const auto index = static_cast<uint32_t>(type);
    return index < std::size(kNames) ? kNames[index] : "unknown";
}

GgufHeader read_gguf_header(const FileReader& file) {
    GgufHeader header;
    HeaderCursor in(file, header.bytes);
    read_magic(in, file, header.bytes);
    header.version = read_version(in);
    const uint64_t tensors = in.number<uint64_t>("the header");
    const uint64_t keys = in.number<uint64_t>("the header");
    if (tensors > kMaxTensors)
        in.fail("it claims " + std::to_string(tensors) + " tensors");
    if (keys > kMaxKeys)
        in.fail("it claims " + std::to_string(keys) + " metadata keys");
    read_values(in, keys, header);
    header.alignment = read_alignment(in, header);

    std::unordered_set<std::string> seen;
    for (uint64_t i = 0; i < tensors; ++i) {
        header.tensors.push_back(read_tensor_info(in));
        if (!seen.insert(header.tensors.back().name).second)
            in.fail("the tensor " + quoted(header.tensors.back().name) + " occurs twice");
    }
    place_tensors(in, file, header);
    header.bytes.resize(in.position());
    header.bytes.shrink_to_fit();
    return header;
}

} // namespace bge
