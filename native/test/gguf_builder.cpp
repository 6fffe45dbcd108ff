#include "gguf_builder.h"

#include <atomic>
#include <cstring>
#include <fstream>
#include <random>
#include <stdexcept>

namespace bge::test {

namespace {

void append(std::vector<uint8_t>& out, const void* bytes, size_t size) {
    const auto* from = static_cast<const uint8_t*>(bytes);
    out.insert(out.end(), from, from + size);
}

template <class T> void append_number(std::vector<uint8_t>& out, T value) {
    append(out, &value, sizeof value);
}

void append_string(std::vector<uint8_t>& out, const std::string& text) {
    append_number<uint64_t>(out, text.size());
    append(out, text.data(), text.size());
}

} // namespace

void GgufBuilder::put_scalar(const std::string& key, GgufType type, const void* bytes,
                             size_t size) {
    erase(key);
    KeyValue value;
    value.key = key;
    value.type = type;
    append(value.bytes, bytes, size);
    values.push_back(value);
}

void GgufBuilder::put_u32(const std::string& key, uint32_t value) {
    put_scalar(key, GgufType::U32, &value, sizeof value);
}

void GgufBuilder::put_f32(const std::string& key, float value) {
    put_scalar(key, GgufType::F32, &value, sizeof value);
}

void GgufBuilder::put_bool(const std::string& key, bool value) {
    const uint8_t byte = value;
    put_scalar(key, GgufType::Bool, &byte, 1);
}

void GgufBuilder::put_string(const std::string& key, const std::string& value) {
    std::vector<uint8_t> bytes;
    append_string(bytes, value);
    put_scalar(key, GgufType::String, bytes.data(), bytes.size());
}

void GgufBuilder::put_array(const std::string& key, GgufType element, uint64_t count,
                            const void* bytes, size_t size) {
    put_scalar(key, GgufType::Array, bytes, size);
    values.back().element = element;
    values.back().count = count;
}

void GgufBuilder::put_strings(const std::string& key, const std::vector<std::string>& strings) {
    std::vector<uint8_t> bytes;
    for (const std::string& s : strings)
        append_string(bytes, s);
    put_array(key, GgufType::String, strings.size(), bytes.data(), bytes.size());
}

KeyValue* GgufBuilder::find(const std::string& key) {
    for (KeyValue& value : values)
        if (value.key == key)
            return &value;
    return nullptr;
}

TensorData* GgufBuilder::find_tensor(const std::string& name) {
    for (TensorData& tensor : tensors)
        if (tensor.name == name)
            return &tensor;
    return nullptr;
}

bool GgufBuilder::erase(const std::string& key) {
    for (size_t i = 0; i < values.size(); ++i)
        if (values[i].key == key) {
            values.erase(values.begin() + static_cast<std::ptrdiff_t>(i));
            return true;
        }
    return false;
}

bool GgufBuilder::erase_tensor(const std::string& name) {
    for (size_t i = 0; i < tensors.size(); ++i)
        if (tensors[i].name == name) {
            tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(i));
            return true;
        }
    return false;
}

std::vector<uint8_t> GgufBuilder::build() const {
    std::vector<uint8_t> out;
    append(out, magic.data(), magic.size());
    append_number(out, version);
    append_number<uint64_t>(out, tensor_count.value_or(tensors.size()));
    append_number<uint64_t>(out, key_count.value_or(values.size()));
    for (const KeyValue& value : values) {
        append_string(out, value.key);
        append_number(out, static_cast<uint32_t>(value.type));
        if (value.type == GgufType::Array) {
            append_number(out, static_cast<uint32_t>(value.element));
            append_number(out, value.count);
        }
        append(out, value.bytes.data(), value.bytes.size());
    }
    const auto pad = [&](size_t size) {
        return alignment == 0 ? size : (size + alignment - 1) / alignment * alignment;
    };
    uint64_t offset = 0;
    for (const TensorData& tensor : tensors) {
        append_string(out, tensor.name);
        append_number(out, static_cast<uint32_t>(tensor.shape.size()));
        for (const int64_t d : tensor.shape)
            append_number(out, d);
        append_number(out, tensor.type);
        append_number(out, tensor.offset.value_or(offset));
        offset += pad(tensor.bytes.size());
    }
    if (!tensors.empty())
        out.resize(pad(out.size()), 0);
    for (const TensorData& tensor : tensors) {
        const size_t begin = out.size();
        append(out, tensor.bytes.data(), tensor.bytes.size());
        out.resize(begin + pad(tensor.bytes.size()), 0);
    }
    return out;
}

TempFile::TempFile(const std::vector<uint8_t>& bytes, const std::string& suffix) {
    static std::atomic<int> counter{0};
    static const unsigned process = std::random_device{}();
    path_ = (std::filesystem::temp_directory_path() /
             ("bge-test-" + std::to_string(process) + "-" + std::to_string(counter++) + suffix))
                .string();
    std::ofstream file(path_, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file)
        throw std::runtime_error("cannot write " + path_);
}

TempFile::~TempFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
}

} // namespace bge::test
