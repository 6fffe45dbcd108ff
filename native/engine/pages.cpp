#include "pages.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace bge {
namespace {

size_t page_size() {
#if defined(_WIN32)
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
#else
    static const long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? static_cast<size_t>(size) : 4096;
#endif
}

} // namespace

void release_free_memory() {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

void limit_hoarding() {
#if defined(__GLIBC__)
    static const bool done = [] {
        for (const char* name :
             {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"}) {
            if (std::getenv(name))
                return true;
        }
        mallopt(M_MMAP_THRESHOLD, 4 << 20);
        mallopt(M_TRIM_THRESHOLD, 8 << 20);
        return true;
    }();
    (void)done;
#endif
}

void discard_pages(void* begin, size_t bytes, size_t spare) {
    const size_t page = page_size();
    const auto address = reinterpret_cast<uintptr_t>(begin);
    const uintptr_t first = (address - std::min(spare, page - 1) + page - 1) / page * page;
    const uintptr_t last = (address + bytes) / page * page;
    if (last <= first)
        return;
        // A refusal costs memory and nothing else.
#if defined(_WIN32)
    // MEM_RESET: the pages leave the working set when memory is short
    VirtualAlloc(reinterpret_cast<void*>(first), last - first, MEM_RESET, PAGE_READWRITE);
#elif defined(__linux__)
    madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
#else
    madvise(reinterpret_cast<void*>(first), last - first, MADV_FREE);
#endif
}

} // namespace bge
