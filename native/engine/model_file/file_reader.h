// Read-only access to a regular file by offset, the same on every platform.
#pragma once

#include <cstdint>
#include <string>

namespace bge {

/// A regular file opened for reading. Moves, does not copy; closes itself. Reads by offset carry
/// no state, so threads may share one reader.
///
/// Nothing is memory-mapped: a file that shrinks under us gives a short read and so an error,
/// where a mapping would give SIGBUS.
class FileReader {
  public:
    /// Opens `path` (UTF-8 on every platform). Throws ModelNotFound when nothing is there, and
    /// ModelLoad for a directory, a device, a pipe, or a file that may not be read.
    explicit FileReader(const std::string& path);
    ~FileReader();
    FileReader(FileReader&& other) noexcept;
    FileReader& operator=(FileReader&& other) noexcept;
    FileReader(const FileReader&) = delete;
    FileReader& operator=(const FileReader&) = delete;

    const std::string& path() const { return path_; }
    /// Bytes in the file when it was opened.
    uint64_t size() const { return size_; }

    /// Reads exactly `count` bytes from `offset`. Throws ModelLoad when they are not there.
    void read_at(uint64_t offset, void* destination, size_t count) const;

  private:
    void close() noexcept;

    std::string path_;
    uint64_t size_ = 0;
    intptr_t handle_ = -1;
};

} // namespace bge
