#include "outputs.h"

#include "dequantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace bge::reference {

namespace {

void normalize(double* row, size_t dim) {
    double sum = 0;
    for (size_t i = 0; i < dim; ++i)
        sum += row[i] * row[i];
    const double length = std::sqrt(sum);
    for (size_t i = 0; i < dim && length > 0; ++i)
        row[i] /= length;
}

double dot(const double* a, const double* b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; ++i)
        sum += a[i] * b[i];
    return sum;
}

/// A key's numbers: UINT16 arrays are float16 bits.
std::vector<double> numbers_of(const GgufFile& file, const std::string& key) {
    const GgufValue* value = file.find(key);
    if (!value)
        return {};
    if (value->element_type == GgufType::F32) {
        const std::vector<float> floats = file.f32_array(key);
        return {floats.begin(), floats.end()};
    }
    std::vector<double> out;
    for (const uint16_t bits : file.u16_array(key))
        out.push_back(half_to_double(bits));
    return out;
}

std::vector<double> floats_of(const std::string& path, size_t count) {
    std::ifstream file(path, std::ios::binary);
    std::vector<float> floats(count + 1);
    file.read(reinterpret_cast<char*>(floats.data()),
              static_cast<std::streamsize>(floats.size() * sizeof(float)));
    if (static_cast<size_t>(file.gcount()) != count * sizeof(float))
        throw std::invalid_argument(path + " does not hold " + std::to_string(count) +
                                    " float32 numbers");
    return {floats.begin(), floats.end() - 1};
}

} // namespace

std::optional<Heads> heads_in(const GgufFile& file) {
    const std::string prefix = "bge_m3_node.";
    if (!file.find(prefix + "sparse_linear.weight") || !file.find(prefix + "colbert_linear.weight"))
        return std::nullopt;
    Heads heads;
    heads.sparse_weight = numbers_of(file, prefix + "sparse_linear.weight");
    heads.sparse_bias = numbers_of(file, prefix + "sparse_linear.bias").at(0);
    heads.colbert_weight = numbers_of(file, prefix + "colbert_linear.weight");
    heads.colbert_bias = numbers_of(file, prefix + "colbert_linear.bias");
    return heads;
}

Heads heads_from(const std::string& sparse_path, const std::string& colbert_path, size_t dim) {
    std::vector<double> sparse = floats_of(sparse_path, dim + 1);
    std::vector<double> colbert = floats_of(colbert_path, dim * dim + dim);
    Heads heads;
    heads.sparse_bias = sparse.back();
    sparse.pop_back();
    heads.sparse_weight = std::move(sparse);
    heads.colbert_bias.assign(colbert.end() - static_cast<std::ptrdiff_t>(dim), colbert.end());
    colbert.resize(dim * dim);
    heads.colbert_weight = std::move(colbert);
    return heads;
}

Outputs outputs_of(const std::vector<double>& states, const std::vector<int32_t>& ids, size_t dim,
                   bool mean_pooling, const std::optional<Heads>& heads) {
    const size_t n = ids.size();
    Outputs out;
    out.dense.assign(dim, 0);
    const size_t pooled = mean_pooling ? n : 1;
    for (size_t t = 0; t < pooled; ++t)
        for (size_t i = 0; i < dim; ++i)
            out.dense[i] += states[t * dim + i] / static_cast<double>(pooled);
    normalize(out.dense.data(), dim);
    if (!heads)
        return out;
    for (size_t t = 0; t < n; ++t) {
        const double weight = std::max(
            0.0, dot(&states[t * dim], heads->sparse_weight.data(), dim) + heads->sparse_bias);
        out.token_weights.push_back(weight);
        if (weight > 0 && ids[t] > 3)
            out.sparse[ids[t]] = std::max(out.sparse[ids[t]], weight);
    }
    const Matrix project(heads->colbert_weight, dim, dim);
    out.colbert.resize((n - 1) * dim);
    project.multiply(states.data() + dim, n - 1, heads->colbert_bias.data(), out.colbert.data());
    for (size_t t = 0; t + 1 < n; ++t)
        normalize(&out.colbert[t * dim], dim);
    return out;
}

} // namespace bge::reference
