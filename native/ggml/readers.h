// Who reads what in a graph.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <vector>

namespace bge::kernels {

/// Whether computing it does nothing.
bool is_noop(const ggml_tensor* t);
/// The tensor whose memory a view shows; t itself when it is none.
const ggml_tensor* without_views(const ggml_tensor* t);

/// The nodes of a graph by number, and for each the nodes that read it, views looked through.
/// Made anew for every computation, so it takes four allocations, whatever the graph.
class Readers {
  public:
    explicit Readers(const std::vector<ggml_tensor*>& nodes);

    /// The node's number, or -1 for what is no node of the graph.
    int number(const ggml_tensor* t) const;

    struct Numbers {
        const int *first, *last;
        const int* begin() const { return first; }
        const int* end() const { return last; }
        size_t size() const { return static_cast<size_t>(last - first); }
    };
    /// Ascending; twice who reads it twice.
    Numbers of(int number) const;
    /// Whether someone outside the graph reads it.
    bool is_output(int number) const { return outputs_[static_cast<size_t>(number)] != 0; }

  private:
    struct Entry {
        const ggml_tensor* tensor = nullptr;
        int number = -1;
    };
    size_t place(const ggml_tensor* t) const;

    std::vector<Entry> table_; // open addressing
    std::vector<int> first_, readers_;
    std::vector<char> outputs_;
};

} // namespace bge::kernels
