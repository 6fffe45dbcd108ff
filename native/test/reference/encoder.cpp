#include "encoder.h"

#include "dequantize.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace bge::reference {

namespace {

/// out[j] += x * in[j]
void add_scaled(const double* in, double x, size_t count, double* out) {
    for (size_t j = 0; j < count; ++j)
        out[j] += x * in[j];
}

/// The exact GELU: x times the standard normal's distribution function.
double gelu(double x) {
    return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

void softmax(std::vector<double>& scores) {
    const double largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (double& s : scores) {
        s = std::exp(s - largest);
        sum += s;
    }
    for (double& s : scores)
        s /= sum;
}

/// [rows][columns] -> [columns][rows], of a part of wider rows.
std::vector<double> transposed(const std::vector<double>& in, size_t rows, size_t stride,
                               size_t first, size_t columns) {
    std::vector<double> out(rows * columns);
    for (size_t r = 0; r < rows; ++r)
        for (size_t c = 0; c < columns; ++c)
            out[c * rows + r] = in[r * stride + first + c];
    return out;
}

} // namespace

void LayerNorm::apply(double* row) const {
    const size_t n = weight.size();
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; ++i)
        mean += row[i];
    mean /= static_cast<double>(n);
    for (size_t i = 0; i < n; ++i)
        variance += (row[i] - mean) * (row[i] - mean);
    variance /= static_cast<double>(n);
    const double scale = 1 / std::sqrt(variance + eps);
    for (size_t i = 0; i < n; ++i)
        row[i] = (row[i] - mean) * scale * weight[i] + bias[i];
}

Encoder::Encoder(const std::string& path, int threads) : file_(path), threads_(threads) {
    const auto number = [&](const char* key) -> size_t { return file_.u32(key).value(); };
    dim_ = number("bert.embedding_length");
    heads_ = number("bert.attention.head_count");
    ffn_ = number("bert.feed_forward_length");
    context_ = number("bert.context_length");
    eps_ = static_cast<double>(file_.f32("bert.attention.layer_norm_epsilon").value());
    mean_pooling_ = file_.u32("bert.pooling_type").value_or(2) == 1;
    positions_ = read("position_embd.weight");
    token_type_ = read_if_present("token_types.weight");
    const bool is_xlm_roberta =
        token_type_.size() <= dim_ && file_.string("tokenizer.ggml.model") == "t5";
    if (is_xlm_roberta)
        padding_ = static_cast<int32_t>(file_.u32("tokenizer.ggml.padding_token_id").value_or(1));
    if (token_type_.empty())
        token_type_.resize(dim_, 0);
    two_types_ = token_type_.size() > dim_ && file_.string("tokenizer.ggml.model") == "bert";
    embedding_norm_ = norm("token_embd_norm");
    for (size_t l = 0; l < number("bert.block_count"); ++l)
        layers_.push_back(layer(l));
}

std::vector<double> Encoder::read_if_present(const std::string& name) const {
    const GgufTensor* tensor = file_.find_tensor(name);
    if (!tensor)
        return {};
    std::vector<uint8_t> bytes(tensor->bytes);
    file_.read_tensor(*tensor, bytes.data());
    std::vector<double> values(static_cast<size_t>(tensor->elements()));
    dequantize(static_cast<uint32_t>(tensor->type), bytes.data(), values.size(), values.data());
    return values;
}

std::vector<double> Encoder::read(const std::string& name) const {
    std::vector<double> values = read_if_present(name);
    if (values.empty())
        throw std::invalid_argument("no tensor " + name);
    return values;
}

Linear Encoder::linear(const std::string& name, size_t outputs, size_t inputs) const {
    return {Matrix(read(name + ".weight"), outputs, inputs), read_if_present(name + ".bias")};
}

LayerNorm Encoder::norm(const std::string& name) const {
    return {read(name + ".weight"), read(name + ".bias"), eps_};
}

Layer Encoder::layer(size_t index) const {
    const std::string prefix = "blk." + std::to_string(index) + ".";
    Layer out;
    if (file_.find_tensor(prefix + "attn_qkv.weight")) {
        // rows of the three projections one after the other
        const std::vector<double> weights = read(prefix + "attn_qkv.weight");
        const std::vector<double> bias = read_if_present(prefix + "attn_qkv.bias");
        Linear* parts[] = {&out.query, &out.key, &out.value};
        for (size_t p = 0; p < 3; ++p) {
            const auto at = [&](const std::vector<double>& all, size_t row_size) {
                const auto begin = all.begin() + static_cast<std::ptrdiff_t>(p * dim_ * row_size);
                return std::vector<double>(begin,
                                           begin + static_cast<std::ptrdiff_t>(dim_ * row_size));
            };
            *parts[p] = {Matrix(at(weights, dim_), dim_, dim_), bias.empty() ? bias : at(bias, 1)};
        }
    } else {
        out.query = linear(prefix + "attn_q", dim_, dim_);
        out.key = linear(prefix + "attn_k", dim_, dim_);
        out.value = linear(prefix + "attn_v", dim_, dim_);
    }
    out.output = linear(prefix + "attn_output", dim_, dim_);
    out.up = linear(prefix + "ffn_up", ffn_, dim_);
    out.down = linear(prefix + "ffn_down", dim_, ffn_);
    out.attention_norm = norm(prefix + "attn_output_norm");
    out.output_norm = norm(prefix + "layer_output_norm");
    return out;
}

void Encoder::embed(const std::vector<int32_t>& ids, size_t first,
                    std::vector<double>& states) const {
    const GgufTensor* table = file_.find_tensor("token_embd.weight");
    if (!table)
        throw std::invalid_argument("no tensor token_embd.weight");
    const auto rows = static_cast<uint64_t>(table->shape[1]);
    const uint64_t row_bytes = table->bytes / rows;
    std::vector<uint8_t> bytes(row_bytes);
    size_t position = 0;
    for (size_t t = 0; t < ids.size(); ++t) {
        if (ids[t] < 0 || static_cast<uint64_t>(ids[t]) >= rows)
            throw std::invalid_argument("a token id lies outside the vocabulary");
        file_.read_tensor(*table, static_cast<uint64_t>(ids[t]) * row_bytes, bytes.data(),
                          bytes.size());
        double* row = &states[t * dim_];
        dequantize(static_cast<uint32_t>(table->type), bytes.data(), dim_, row);
        // XLM-RoBERTa's padding has a position of its own, whose row is zero and cut off
        const bool has_position = ids[t] != padding_;
        const double* type = &token_type_[two_types_ && t >= first ? dim_ : 0];
        for (size_t i = 0; i < dim_; ++i)
            row[i] += type[i] + (has_position ? positions_[position * dim_ + i] : 0);
        if (has_position)
            ++position;
        embedding_norm_.apply(row);
    }
}

void Encoder::attend(const Layer& layer, const std::vector<double>& states,
                     std::vector<double>& out) const {
    const size_t n = states.size() / dim_, size = dim_ / heads_;
    const double scale = 1 / std::sqrt(static_cast<double>(size));
    std::vector<double> query(n * dim_), key(n * dim_), value(n * dim_);
    parallel_for(n, threads_, [&](size_t begin, size_t end) {
        const double* in = &states[begin * dim_];
        layer.query.apply(in, end - begin, &query[begin * dim_]);
        layer.key.apply(in, end - begin, &key[begin * dim_]);
        layer.value.apply(in, end - begin, &value[begin * dim_]);
    });
    std::fill(out.begin(), out.end(), 0.0);
    for (size_t h = 0; h < heads_; ++h) {
        const std::vector<double> keys = transposed(key, n, dim_, h * size, size);
        parallel_for(n, threads_, [&](size_t begin, size_t end) {
            std::vector<double> scores(n);
            for (size_t t = begin; t < end; ++t) {
                std::fill(scores.begin(), scores.end(), 0.0);
                for (size_t d = 0; d < size; ++d)
                    add_scaled(&keys[d * n], query[t * dim_ + h * size + d] * scale, n,
                               scores.data());
                softmax(scores);
                for (size_t s = 0; s < n; ++s)
                    add_scaled(&value[s * dim_ + h * size], scores[s], size,
                               &out[t * dim_ + h * size]);
            }
        });
    }
}

double Encoder::score(const std::vector<double>& states) const {
    if (!file_.find_tensor("cls.weight"))
        return std::nan("");
    std::vector<double> inner(dim_);
    linear("cls", dim_, dim_).apply(states.data(), 1, inner.data());
    for (double& x : inner)
        x = std::tanh(x);
    double out = 0;
    linear("cls.output", 1, dim_).apply(inner.data(), 1, &out);
    return out;
}

std::vector<double> Encoder::encode(const std::vector<int32_t>& ids, size_t first) const {
    const size_t n = ids.size();
    if (n == 0 || n > context_)
        throw std::invalid_argument("the text is empty or longer than the model allows");
    std::vector<double> states(n * dim_), attended(n * dim_);
    embed(ids, first, states);
    for (const Layer& layer : layers_) {
        attend(layer, states, attended);
        parallel_for(n, threads_, [&](size_t begin, size_t end) {
            const size_t rows = end - begin;
            std::vector<double> projected(rows * dim_), inner(rows * ffn_);
            double* state = &states[begin * dim_];
            layer.output.apply(&attended[begin * dim_], rows, projected.data());
            for (size_t i = 0; i < projected.size(); ++i)
                state[i] += projected[i];
            for (size_t r = 0; r < rows; ++r)
                layer.attention_norm.apply(state + r * dim_);
            layer.up.apply(state, rows, inner.data());
            for (double& x : inner)
                x = gelu(x);
            layer.down.apply(inner.data(), rows, projected.data());
            for (size_t i = 0; i < projected.size(); ++i)
                state[i] += projected[i];
            for (size_t r = 0; r < rows; ++r)
                layer.output_norm.apply(state + r * dim_);
        });
    }
    return states;
}

} // namespace bge::reference
