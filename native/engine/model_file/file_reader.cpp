#include "file_reader.h"

#include "../error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace bge {

namespace {

// One read call is kept below this: some kernels and file systems refuse more than 2 GB at once.
constexpr size_t kMaxReadBytes = size_t(1) << 30;

[[noreturn]] void throw_open_error(const std::string& path, bool missing, const char* reason) {
    if (missing)
        throw Error(ErrorCode::ModelNotFound, "model file not found: " + path);
    throw Error(ErrorCode::ModelLoad, "cannot read model file " + path + ": " + reason);
}

} // namespace

#ifdef _WIN32

namespace {

/// UTF-8 to UTF-16; empty when it is not UTF-8.
std::wstring widened(const std::string& path) {
    const int bytes = static_cast<int>(path.size());
    const int units =
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), bytes, nullptr, 0);
    std::wstring wide(static_cast<size_t>(std::max(units, 0)), L'\0');
    if (units > 0)
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), bytes, wide.data(), units);
    return wide;
}

} // namespace

FileReader::FileReader(const std::string& path) : path_(path) {
    if (path.empty() || path.find('\0') != std::string::npos)
        throw_open_error(path, true, "");
    const std::wstring wide = widened(path);
    const DWORD attributes = GetFileAttributesW(wide.c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES)
        throw_open_error(path, true, "");
    if (attributes & FILE_ATTRIBUTE_DIRECTORY)
        throw_open_error(path, false, "it is a directory");
    // Others may rename or delete the file meanwhile, as on POSIX.
    const HANDLE handle = CreateFileW(wide.c_str(), GENERIC_READ,
                                      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                      nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (handle == INVALID_HANDLE_VALUE) {
        const DWORD code = GetLastError();
        throw_open_error(path, code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND,
                         code == ERROR_ACCESS_DENIED ? "permission denied" : "it cannot be opened");
    }
    handle_ = reinterpret_cast<intptr_t>(handle);
    LARGE_INTEGER size;
    if (GetFileType(handle) != FILE_TYPE_DISK || !GetFileSizeEx(handle, &size)) {
        close();
        throw_open_error(path, false, "it is not a regular file");
    }
    size_ = static_cast<uint64_t>(size.QuadPart);
}

void FileReader::close() noexcept {
    if (handle_ != -1)
        CloseHandle(reinterpret_cast<HANDLE>(handle_));
    handle_ = -1;
}

void FileReader::read_at(uint64_t offset, void* destination, size_t count) const {
    char* out = static_cast<char*>(destination);
    while (count > 0) {
        OVERLAPPED position{};
        position.Offset = static_cast<DWORD>(offset);
        position.OffsetHigh = static_cast<DWORD>(offset >> 32);
        DWORD done = 0;
        const DWORD wanted = static_cast<DWORD>(std::min(count, kMaxReadBytes));
        const BOOL ok = ReadFile(reinterpret_cast<HANDLE>(handle_), out, wanted, &done, &position);
        if (!ok || done == 0)
            throw Error(ErrorCode::ModelLoad, "model file " + path_ + " ended early");
        out += done;
        offset += done;
        count -= done;
    }
}

#else

FileReader::FileReader(const std::string& path) : path_(path) {
    if (path.empty() || path.find('\0') != std::string::npos)
        throw_open_error(path, true, "");
    // O_NONBLOCK: opening a pipe must not wait for a writer. It does nothing to a regular file.
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        throw_open_error(path, errno == ENOENT || errno == ENOTDIR, std::strerror(errno));
    handle_ = descriptor;
    struct stat info {};
    const char* wrong = nullptr;
    if (::fstat(descriptor, &info) != 0)
        wrong = std::strerror(errno);
    else if (S_ISDIR(info.st_mode))
        wrong = "it is a directory";
    else if (!S_ISREG(info.st_mode))
        wrong = "it is not a regular file";
    if (wrong) {
        close();
        throw_open_error(path, false, wrong);
    }
    size_ = static_cast<uint64_t>(info.st_size);
}

void FileReader::close() noexcept {
    if (handle_ != -1)
        ::close(static_cast<int>(handle_));
    handle_ = -1;
}

void FileReader::read_at(uint64_t offset, void* destination, size_t count) const {
    char* out = static_cast<char*>(destination);
    while (count > 0) {
        const ssize_t done = ::pread(static_cast<int>(handle_), out, std::min(count, kMaxReadBytes),
                                     static_cast<off_t>(offset));
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            throw Error(ErrorCode::ModelLoad,
                        "cannot read model file " + path_ + ": " + std::strerror(errno));
        if (done == 0)
            throw Error(ErrorCode::ModelLoad, "model file " + path_ + " ended early");
        out += done;
        offset += static_cast<uint64_t>(done);
        count -= static_cast<size_t>(done);
    }
}

#endif

FileReader::~FileReader() {
    close();
}

FileReader::FileReader(FileReader&& other) noexcept
    : path_(std::move(other.path_)), size_(other.size_), handle_(std::exchange(other.handle_, -1)) {
}

FileReader& FileReader::operator=(FileReader&& other) noexcept {
    if (this != &other) {
        close();
        path_ = std::move(other.path_);
        size_ = other.size_;
        handle_ = std::exchange(other.handle_, -1);
    }
    return *this;
}

} // namespace bge
