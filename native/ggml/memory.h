// Pages from the operating system, and a ggml CPU buffer whose zeroes cost nothing.
#pragma once

#include <cstddef>

namespace bge::kernels {

/// Page-aligned memory, zero at first, freed with the object.
class Pages {
  public:
    enum class Use { Plain, Weights }; // weights: on huge pages where the system has them
    Pages() = default;
    ~Pages();
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;
    bool allocate(size_t bytes, Use use);
    void* data() const { return data_; }
    size_t bytes() const { return bytes_; }
    /// Makes everything zero again by giving the pages back; false where that is not possible.
    bool drop();

  private:
    void* base_ = nullptr;
    size_t mapped_ = 0;
    void* data_ = nullptr;
    size_t bytes_ = 0;
};

/// Lets go of whole pages inside a range whose contents nobody needs any more: the file's pages
/// under a tensor that has been packed (they stay in the page cache, but not in our resident
/// memory), or llama.cpp's read buffer.
void forget_pages(const void* data, size_t bytes);

/// llama.cpp reserves and zeroes tokens x vocabulary floats of logits for every context, 1 MB per
/// token with this vocabulary, which an encoder never writes. This makes large buffers of ggml's
/// CPU buffer type come from untouched pages and stay untouched when they are cleared with 0.
void keep_cleared_pages_untouched();

} // namespace bge::kernels
