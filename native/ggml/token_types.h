// Token types for a graph that knows one: llama.cpp's BERT adds row 0 of the table to every token.
// Between the sum of a batch's embeddings and their norm, what type 1 has more than type 0 is added
// to the tokens of a pair's second text.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

struct ggml_tensor;

namespace bge::kernels {

class TokenTypes {
  public:
    /// @param difference row 1 of the table less row 0
    explicit TokenTypes(std::vector<float> difference) : difference_(std::move(difference)) {}

    /// Of the next graph: tokens [begin, end) of type 1; none for a graph without.
    using Ranges = std::vector<std::pair<size_t, size_t>>;
    void expect(Ranges second) {
        second_ = std::move(second);
        added_ = second_.empty();
    }
    /// Whether the graph that ran had the types that were expected: false if llama.cpp's graph is
    /// not the one that we know.
    bool added() const { return added_; }

    /// ggml_backend_sched_eval_callback; `self` is a TokenTypes.
    static bool on_node(ggml_tensor* node, bool ask, void* self);

  private:
    bool add(ggml_tensor* embeddings);

    const std::vector<float> difference_;
    Ranges second_;
    bool added_ = true;
};

} // namespace bge::kernels
