#include "gguf_file.h"

#include "../error.h"
#include "file_kind.h"

#include <cstring>
#include <limits>

namespace bge {

GgufFile::GgufFile(const std::string& path) : file_(path), header_(read_gguf_header(file_)) {
    for (size_t i = 0; i < header_.values.size(); ++i)
        value_index_.emplace(header_.values[i].key, i);
    for (size_t i = 0; i < header_.tensors.size(); ++i)
        tensor_index_.emplace(header_.tensors[i].name, i);
}

const GgufValue* GgufFile::find(std::string_view key) const {
    const auto found = value_index_.find(key);
    return found == value_index_.end() ? nullptr : &header_.values[found->second];
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
    const auto found = tensor_index_.find(name);
    return found == tensor_index_.end() ? nullptr : &header_.tensors[found->second];
}

namespace {

[[noreturn]] void throw_wrong_type(const std::string& path, const GgufValue& value,
                                   const std::string& expected) {
    std::string actual = gguf_type_name(value.type);
    if (value.type == GgufType::Array)
        actual += std::string(" of ") + gguf_type_name(value.element_type);
    throw Error(ErrorCode::ModelLoad, "model file " + path + ": key " + quoted(value.key) + " is " +
                                          actual + ", expected " + expected);
}

} // namespace

const GgufValue* GgufFile::find(std::string_view key, GgufType type) const {
    const GgufValue* value = find(key);
    if (value && value->type != type)
        throw_wrong_type(path(), *value, gguf_type_name(type));
    return value;
}

const GgufValue* GgufFile::find_array(std::string_view key, GgufType type,
                                      GgufType alternative) const {
    const GgufValue* value = find(key);
    if (value && (value->type != GgufType::Array ||
                  (value->element_type != type && value->element_type != alternative)))
        throw_wrong_type(path(), *value, std::string("array of ") + gguf_type_name(type));
    return value;
}

template <class T> T GgufFile::scalar(const GgufValue& value) const {
    T result;
    std::memcpy(&result, header_.bytes.data() + value.offset, sizeof result);
    return result;
}

std::optional<uint32_t> GgufFile::u32(std::string_view key) const {
    const GgufValue* value = find(key, GgufType::U32);
    return value ? std::optional(scalar<uint32_t>(*value)) : std::nullopt;
}

std::optional<float> GgufFile::f32(std::string_view key) const {
    const GgufValue* value = find(key, GgufType::F32);
    return value ? std::optional(scalar<float>(*value)) : std::nullopt;
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
    const GgufValue* value = find(key, GgufType::Bool);
    return value ? std::optional(scalar<uint8_t>(*value) != 0) : std::nullopt;
}

std::optional<std::string_view> GgufFile::string(std::string_view key) const {
    const GgufValue* value = find(key, GgufType::String);
    if (!value)
        return std::nullopt;
    const char* text = reinterpret_cast<const char*>(header_.bytes.data() + value->offset);
    return std::string_view(text + sizeof(uint64_t), value->size - sizeof(uint64_t));
}

std::optional<int64_t> GgufFile::integer(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value)
        return std::nullopt;
    switch (value->type) {
    case GgufType::U8:
        return scalar<uint8_t>(*value);
    case GgufType::I8:
        return scalar<int8_t>(*value);
    case GgufType::U16:
        return scalar<uint16_t>(*value);
    case GgufType::I16:
        return scalar<int16_t>(*value);
    case GgufType::U32:
        return scalar<uint32_t>(*value);
    case GgufType::I32:
        return scalar<int32_t>(*value);
    case GgufType::I64:
        return scalar<int64_t>(*value);
    case GgufType::U64: {
        const uint64_t number = scalar<uint64_t>(*value);
        if (number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
            return static_cast<int64_t>(number);
        break;
    }
    default:
        break;
    }
    throw_wrong_type(path(), *value, "an integer");
}

uint64_t GgufFile::array_length(std::string_view key) const {
    const GgufValue* value = find(key, GgufType::Array);
    return value ? value->count : 0;
}

std::vector<std::string_view> GgufFile::strings(std::string_view key) const {
    const GgufValue* value = find_array(key, GgufType::String, GgufType::String);
    std::vector<std::string_view> result;
    if (!value)
        return result;
    result.reserve(static_cast<size_t>(value->count));
    const uint8_t* at = header_.bytes.data() + value->offset;
    for (uint64_t i = 0; i < value->count; ++i) {
        uint64_t length = 0;
        std::memcpy(&length, at, sizeof length);
        at += sizeof length;
        result.emplace_back(reinterpret_cast<const char*>(at), static_cast<size_t>(length));
        at += length;
    }
    return result;
}

std::vector<float> GgufFile::f32_array(std::string_view key) const {
    const GgufValue* value = find_array(key, GgufType::F32, GgufType::F32);
    std::vector<float> result(value ? static_cast<size_t>(value->count) : 0);
    if (!result.empty())
        std::memcpy(result.data(), header_.bytes.data() + value->offset, value->size);
    return result;
}

std::vector<int32_t> GgufFile::i32_array(std::string_view key) const {
    const GgufValue* value = find_array(key, GgufType::I32, GgufType::U32);
    std::vector<int32_t> result(value ? static_cast<size_t>(value->count) : 0);
    if (!result.empty())
        std::memcpy(result.data(), header_.bytes.data() + value->offset, value->size);
    return result;
}

std::vector<uint16_t> GgufFile::u16_array(std::string_view key) const {
    const GgufValue* value = find_array(key, GgufType::U16, GgufType::U16);
    std::vector<uint16_t> result(value ? static_cast<size_t>(value->count) : 0);
    if (!result.empty())
        std::memcpy(result.data(), header_.bytes.data() + value->offset, value->size);
    return result;
}

ByteView GgufFile::bytes(std::string_view key) const {
    const GgufValue* value = find_array(key, GgufType::U8, GgufType::I8);
    return value ? ByteView{header_.bytes.data() + value->offset, value->size} : ByteView{};
}

void GgufFile::read_tensor(const GgufTensor& tensor, void* destination) const {
    read_tensor(tensor, 0, destination, static_cast<size_t>(tensor.bytes));
}

void GgufFile::read_tensor(const GgufTensor& tensor, uint64_t first, void* destination,
                           size_t count) const {
    if (first > tensor.bytes || count > tensor.bytes - first)
        throw Error(ErrorCode::ModelLoad, "read beyond tensor " + quoted(tensor.name));
    file_.read_at(tensor.offset + first, destination, count);
}

} // namespace bge
