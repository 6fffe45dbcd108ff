#include "token_types.h"

#include <cstring>

#include "ggml-backend.h"
#include "ggml.h"

namespace bge::kernels {

namespace {

/// llama.cpp's name of the sum of token, type and position (src/models/bert.cpp).
constexpr const char* kEmbeddings = "inp_embd";

} // namespace

bool TokenTypes::on_node(ggml_tensor* node, bool ask, void* self) {
    auto& types = *static_cast<TokenTypes*>(self);
    const bool wanted =
        !types.second_.empty() && std::strcmp(ggml_get_name(node), kEmbeddings) == 0;
    if (ask)
        return wanted;
    return !wanted || types.add(node);
}

/// False ends the graph.
bool TokenTypes::add(ggml_tensor* embeddings) {
    const size_t dim = difference_.size();
    if (embeddings->type != GGML_TYPE_F32 || !ggml_is_contiguous(embeddings) ||
        embeddings->ne[0] != static_cast<int64_t>(dim) ||
        !ggml_backend_buffer_is_host(embeddings->buffer))
        return false;
    auto* rows = static_cast<float*>(embeddings->data);
    for (const auto& [begin, end] : second_) {
        if (end > static_cast<size_t>(embeddings->ne[1]))
            return false;
        for (size_t row = begin; row < end; ++row)
            for (size_t i = 0; i < dim; ++i)
                rows[row * dim + i] += difference_[i];
    }
    added_ = true;
    return true;
}

} // namespace bge::kernels
