// A GGUF file's header, read and checked; tensor data by request.
#pragma once

#include "file_reader.h"
#include "gguf_header.h"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bge {

/// Bytes that lie inside a GgufFile, valid as long as it lives (a move does not invalidate them).
struct ByteView {
    const uint8_t* data = nullptr;
    size_t size = 0;
};

/// A GGUF file (version 2 or 3, little-endian).
///
/// Opening reads the header into memory and proves that it is well formed: every length, count and
/// offset lies inside the file, names are unique, sizes do not overflow, tensors follow one another
/// as the format demands. What the values *mean* is model_check's business.
///
/// The getters return nothing when the key is absent and throw ModelLoad when it has another type,
/// since llama.cpp would refuse such a file too.
class GgufFile {
  public:
    /// Throws ModelNotFound, or ModelLoad with what is wrong and, for a file that is not a GGUF,
    /// what it looks like. `path` is UTF-8.
    explicit GgufFile(const std::string& path);

    const std::string& path() const { return file_.path(); }
    uint64_t file_size() const { return file_.size(); }
    uint32_t version() const { return header_.version; }
    uint32_t alignment() const { return header_.alignment; }
    /// Where tensor data begins, from the file's start.
    uint64_t data_offset() const { return header_.data_offset; }

    const std::vector<GgufValue>& values() const { return header_.values; }
    const std::vector<GgufTensor>& tensors() const { return header_.tensors; }
    /// Null when there is no such key / tensor.
    const GgufValue* find(std::string_view key) const;
    const GgufTensor* find_tensor(std::string_view name) const;

    std::optional<uint32_t> u32(std::string_view key) const;
    std::optional<float> f32(std::string_view key) const;
    std::optional<bool> boolean(std::string_view key) const;
    /// The view lives as long as the file object.
    std::optional<std::string_view> string(std::string_view key) const;
    /// Any integer type that fits; for keys that only we read.
    std::optional<int64_t> integer(std::string_view key) const;

    /// Elements of an array; 0 when the key is absent. Throws when it is not an array.
    uint64_t array_length(std::string_view key) const;
    /// Empty when absent. The views live as long as the file object.
    std::vector<std::string_view> strings(std::string_view key) const;
    std::vector<float> f32_array(std::string_view key) const;
    /// INT32 or UINT32 (bits kept).
    std::vector<int32_t> i32_array(std::string_view key) const;
    /// UINT16, as float16 bits are kept.
    std::vector<uint16_t> u16_array(std::string_view key) const;
    /// INT8 or UINT8: converters write byte blobs as either.
    ByteView bytes(std::string_view key) const;

    /// The tensor's raw bytes (`tensor.bytes` of them) into `destination`. Throws ModelLoad when
    /// the file has shrunk since it was opened.
    void read_tensor(const GgufTensor& tensor, void* destination) const;
    /// A part of them: `count` bytes from `first`.
    void read_tensor(const GgufTensor& tensor, uint64_t first, void* destination,
                     size_t count) const;

  private:
    const GgufValue* find(std::string_view key, GgufType type) const;
    const GgufValue* find_array(std::string_view key, GgufType type, GgufType alternative) const;
    template <class T> T scalar(const GgufValue& value) const;

    FileReader file_;
    GgufHeader header_;
    std::unordered_map<std::string_view, size_t> value_index_;  // views into header_
    std::unordered_map<std::string_view, size_t> tensor_index_; // views into header_
};

} // namespace bge
