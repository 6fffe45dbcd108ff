#include "readers.h"

#include <cstdint>
#include <utility>

namespace bge::kernels {

namespace {

bool is_view(const ggml_tensor* t) {
    return t->op == GGML_OP_VIEW || t->op == GGML_OP_RESHAPE || t->op == GGML_OP_PERMUTE ||
           t->op == GGML_OP_TRANSPOSE;
}

} // namespace

bool is_noop(const ggml_tensor* t) {
    return t->op == GGML_OP_NONE || is_view(t);
}

const ggml_tensor* without_views(const ggml_tensor* t) {
    while (t && is_view(t) && t->src[0])
        t = t->src[0];
    return t;
}

Readers::Readers(const std::vector<ggml_tensor*>& nodes) {
    const size_t n = nodes.size();
    size_t size = 16;
    while (size < 2 * n)
        size *= 2;
    table_.resize(size);
    outputs_.resize(n);
    for (size_t i = 0; i < n; ++i)
        table_[place(nodes[i])] = {nodes[i], static_cast<int>(i)};

    first_.resize(n + 1);
    const auto each = [&](auto fn) {
        for (size_t i = 0; i < n; ++i) {
            if (is_noop(nodes[i]))
                continue;
            for (const ggml_tensor* source : nodes[i]->src)
                if (source && source != nodes[i])
                    if (const int read = number(without_views(source)); read >= 0)
                        fn(static_cast<size_t>(read), static_cast<int>(i));
        }
    };
    each([&](size_t read, int) { ++first_[read]; });
    int sum = 0;
    for (int& count : first_)
        count = std::exchange(sum, sum + count);
    readers_.resize(static_cast<size_t>(sum));
    each([&](size_t read, int reader) { readers_[static_cast<size_t>(first_[read]++)] = reader; });
    for (size_t i = n; i > 0; --i) // each has moved on to where the next begins
        first_[i] = first_[i - 1];
    first_[0] = 0;

    for (const ggml_tensor* node : nodes)
        if (node->flags & GGML_TENSOR_FLAG_OUTPUT)
            if (const int of = number(without_views(node)); of >= 0)
                outputs_[static_cast<size_t>(of)] = 1;
}

int Readers::number(const ggml_tensor* t) const {
    return table_[place(t)].number;
}

Readers::Numbers Readers::of(int number) const {
    const int* all = readers_.data();
    const auto i = static_cast<size_t>(number);
    return {all + first_[i], all + first_[i + 1]};
}

/// Where t is, or would be.
size_t Readers::place(const ggml_tensor* t) const {
    // tensors are some hundred bytes apart: their addresses' low bits say little
    const uint64_t hash =
        static_cast<uint64_t>(reinterpret_cast<uintptr_t>(t) >> 4) * 0x9e3779b97f4a7c15u;
    const size_t mask = table_.size() - 1;
    size_t at = static_cast<size_t>(hash >> 32) & mask;
    while (table_[at].tensor && table_[at].tensor != t)
        at = (at + 1) & mask;
    return at;
}

} // namespace bge::kernels
