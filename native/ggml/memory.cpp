#include "memory.h"

#include <cstdint>
#include <cstring>
#include <new>

#include "ggml-backend-impl.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#define BGE_HAVE_MMAP
#else
#include <cstdlib>
#include <malloc.h>
#endif

namespace bge::kernels {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

} // namespace

Pages::~Pages() {
#ifdef BGE_HAVE_MMAP
    if (base_)
        munmap(base_, mapped_);
#else
    _aligned_free(base_);
#endif
}

bool Pages::allocate(size_t bytes, Use use) {
#ifdef BGE_HAVE_MMAP
    const bool huge = use == Use::Weights && bytes >= kHugePage;
    mapped_ = (bytes + 4095) / 4096 * 4096 + (huge ? kHugePage : 0);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE; // most of a logits buffer is never touched
#endif
    void* p = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p == MAP_FAILED)
        return false;
    base_ = data_ = p;
    if (huge) {
        const auto address = (reinterpret_cast<uintptr_t>(p) + kHugePage - 1) & ~(kHugePage - 1);
        data_ = reinterpret_cast<void*>(address);
#ifdef MADV_HUGEPAGE
        madvise(data_, bytes, MADV_HUGEPAGE);
#endif
    }
#else
    (void)use;
    base_ = data_ = _aligned_malloc(bytes, 4096);
    if (!base_)
        return false;
    std::memset(base_, 0, bytes);
    mapped_ = bytes;
#endif
    bytes_ = bytes;
    return true;
}

bool Pages::drop() {
#if defined(__linux__)
    return madvise(base_, mapped_, MADV_DONTNEED) == 0;
#else
    return false;
#endif
}

void forget_pages(const void* data, size_t bytes) {
#if defined(__linux__)
    const auto begin = (reinterpret_cast<uintptr_t>(data) + 4095) & ~uintptr_t{4095};
    const auto end = (reinterpret_cast<uintptr_t>(data) + bytes) & ~uintptr_t{4095};
    if (end > begin) // fails, harmlessly, where pages are larger than 4096 bytes
        madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
#else
    (void)data;
    (void)bytes;
#endif
}

#ifdef BGE_HAVE_MMAP

namespace {

constexpr size_t kLarge = size_t{1} << 20;

using AllocBuffer = ggml_backend_buffer_t (*)(ggml_backend_buffer_type_t, size_t);
AllocBuffer original_alloc = nullptr;
ggml_backend_buffer_i paged_interface;

Pages& pages_of(ggml_backend_buffer_t buffer) {
    return *static_cast<Pages*>(buffer->context);
}

void* paged_base(ggml_backend_buffer_t buffer) {
    return pages_of(buffer).data();
}
void paged_free(ggml_backend_buffer_t buffer) {
    delete &pages_of(buffer);
}
void paged_clear(ggml_backend_buffer_t buffer, uint8_t value) {
    if (value != 0 || !pages_of(buffer).drop())
        std::memset(pages_of(buffer).data(), value, buffer->size);
}

ggml_backend_buffer_t alloc_paged(ggml_backend_buffer_type_t type, size_t size) {
    if (size < kLarge)
        return original_alloc(type, size);
    auto* pages = new (std::nothrow) Pages;
    if (!pages || !pages->allocate(size, Pages::Use::Plain)) {
        delete pages;
        return nullptr;
    }
    return ggml_backend_buffer_init(type, paged_interface, pages, size);
}

} // namespace

void keep_cleared_pages_untouched() {
    ggml_backend_buffer_type_t type = ggml_backend_cpu_buffer_type();
    original_alloc = type->iface.alloc_buffer;
    // ggml's functions that read and write tensors stay; where the memory comes from is ours.
    ggml_backend_buffer_t small = original_alloc(type, 64);
    if (!small)
        return;
    paged_interface = small->iface;
    ggml_backend_buffer_free(small);
    paged_interface.free_buffer = paged_free;
    paged_interface.get_base = paged_base;
    paged_interface.clear = paged_clear;
    type->iface.alloc_buffer = alloc_paged;
}

#else

void keep_cleared_pages_untouched() {}

#endif

} // namespace bge::kernels
