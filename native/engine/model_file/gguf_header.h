// The GGUF header as plain data, and the parser that proves it well formed.
// Format: ggml/docs/gguf.md of llama.cpp; the limits are those of its own reader
// (ggml/src/gguf.cpp) or tighter.
#pragma once

#include "tensor_type.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace bge {

class FileReader;

/// A metadata value's type, with the numbers of the format.
enum class GgufType : uint32_t {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
};

/// "u32", "string", ...; "unknown" for a number outside the format.
const char* gguf_type_name(GgufType type);

/// A metadata key with the place of its value in the header's bytes.
struct GgufValue {
    std::string key;
    GgufType type;         ///< Array for an array
    GgufType element_type; ///< the elements' type, or `type` itself for a scalar
    uint64_t count;        ///< elements; 1 for a scalar
    size_t offset;         ///< of the first element in GgufHeader::bytes
    size_t size;           ///< bytes of all elements, string lengths included
};

struct GgufTensor {
    std::string name;
    TensorType type;
    std::array<int64_t, 4> shape; ///< fastest-moving dimension first, unused ones are 1
    uint64_t offset;              ///< of the data, from the file's start
    uint64_t bytes;

    int64_t elements() const { return shape[0] * shape[1] * shape[2] * shape[3]; }
};

struct GgufHeader {
    std::vector<uint8_t> bytes; ///< the file up to the end of the tensor list
    uint32_t version = 0;
    uint32_t alignment = 32;
    uint64_t data_offset = 0;
    std::vector<GgufValue> values;
    std::vector<GgufTensor> tensors;
};

/// Reads and checks the header. Throws ModelLoad.
GgufHeader read_gguf_header(const FileReader& file);

} // namespace bge
