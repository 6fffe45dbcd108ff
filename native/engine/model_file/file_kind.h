// What a file that is not a GGUF seems to be, for a message that helps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bge {

/// A sentence on what the first `count` bytes of a file of `file_size` bytes look like and what to
/// do about it, e.g. "it looks like a Git LFS pointer: ...". Never empty.
std::string describe_foreign_file(const uint8_t* head, size_t count, uint64_t file_size);

/// A name from a file made safe for a message: control and non-ASCII bytes become '?', long ones
/// are cut, quotes go around it.
std::string quoted(const std::string& name);

} // namespace bge
