// Writes GGUF files for tests, right ones and deliberately wrong ones, without any of the code that
// reads them.
#pragma once

#include "../engine/model_file/gguf_header.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bge::test {

/// A metadata key with its value as bytes. Fields may contradict each other on purpose.
struct KeyValue {
    std::string key;
    GgufType type = GgufType::U32;
    GgufType element = GgufType::U32; ///< arrays only
    uint64_t count = 1;               ///< arrays only, as it is written
    std::vector<uint8_t> bytes;
};

struct TensorData {
    std::string name;
    uint32_t type = 0;
    std::vector<int64_t> shape;
    std::vector<uint8_t> bytes;
    std::optional<uint64_t> offset; ///< written instead of the right one
};

/// A GGUF as plain data: fill it, edit it, write it.
struct GgufBuilder {
    std::string magic = "GGUF";
    uint32_t version = 3;
    uint64_t alignment = 32; ///< what tensors are padded to; add the key yourself
    std::optional<uint64_t> tensor_count;
    std::optional<uint64_t> key_count;
    std::vector<KeyValue> values;
    std::vector<TensorData> tensors;

    void put_u32(const std::string& key, uint32_t value);
    void put_f32(const std::string& key, float value);
    void put_bool(const std::string& key, bool value);
    void put_string(const std::string& key, const std::string& value);
    void put_scalar(const std::string& key, GgufType type, const void* bytes, size_t size);
    void put_strings(const std::string& key, const std::vector<std::string>& values);
    void put_array(const std::string& key, GgufType element, uint64_t count, const void* bytes,
                   size_t size);

    KeyValue* find(const std::string& key);
    TensorData* find_tensor(const std::string& name);
    /// True if there was one.
    bool erase(const std::string& key);
    bool erase_tensor(const std::string& name);

    std::vector<uint8_t> build() const;
};

/// A file in the temporary directory that goes away with the object.
class TempFile {
  public:
    explicit TempFile(const std::vector<uint8_t>& bytes, const std::string& suffix = ".gguf");
    ~TempFile();
    TempFile(const TempFile&) = delete;
    TempFile& operator=(const TempFile&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

} // namespace bge::test
