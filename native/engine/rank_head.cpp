#include "rank_head.h"

#include <cmath>
#include <cstring>
#include <string>

#include "../ggml/weights.h"
#include "dot.h"
#include "error.h"
#include "model_file/gguf_file.h"
#include "model_file/model_check.h"

namespace bge {

namespace {

/// Empty when the file has no such tensor.
std::vector<float> read_floats(const GgufFile& file, const std::string& name) {
    const GgufTensor* tensor = file.find_tensor(name);
    if (!tensor)
        return {};
    std::vector<uint8_t> bytes(tensor->bytes);
    file.read_tensor(*tensor, bytes.data());
    std::vector<float> values =
        kernels::to_floats(static_cast<ggml_type>(tensor->type), bytes.data(),
                           static_cast<size_t>(tensor->elements()));
    if (values.empty())
        throw Error(ErrorCode::ModelLoad,
                    file.path() + ": the tensor " + name + " is in a format without values.");
    return values;
}

} // namespace

float RankHead::score(const float* state) const {
    const size_t dim = out.size();
    std::vector<float> inner(dim);
    for (size_t row = 0; row < dim; ++row)
        inner[row] = static_cast<float>(
            std::tanh(dot(&dense[row * dim], state, dim) + static_cast<double>(dense_bias[row])));
    return static_cast<float>(dot(out.data(), inner.data(), dim) + static_cast<double>(out_bias));
}

std::shared_ptr<const RankHead> read_rank_head(const GgufFile& file, const ModelSpec& spec) {
    auto head = std::make_shared<RankHead>();
    head->dense = read_floats(file, "cls.weight");
    head->dense_bias = read_floats(file, "cls.bias");
    head->dense_bias.resize(spec.dim);
    head->out = read_floats(file, "cls.output.weight");
    const std::vector<float> bias = read_floats(file, "cls.output.bias");
    head->out_bias = bias.empty() ? 0 : bias[0];
    return head;
}

std::vector<float> read_second_type(const GgufFile& file, const ModelSpec& spec) {
    if (spec.vocabulary_kind != VocabularyKind::WordPiece || spec.token_types < 2)
        return {};
    const std::vector<float> table = read_floats(file, "token_types.weight");
    if (table.empty())
        return {};
    std::vector<float> difference(spec.dim);
    for (size_t i = 0; i < difference.size(); ++i)
        difference[i] = table[spec.dim + i] - table[i];
    return difference;
}

} // namespace bge
