#include "heads.h"

#include <algorithm>

#include "pack.h"

namespace bge::kernels {

void head_sparse(const float* states, int n, int dim, const float* w, float b, float* out) {
    table()->dot_rows(states, static_cast<size_t>(dim), n, dim, w, out);
    for (int i = 0; i < n; ++i)
        out[i] = std::max(0.0f, out[i] + b);
}

ColbertHead::ColbertHead(const float* weight, const float* bias, int out_dim, int dim)
    : out_dim_(out_dim), dim_(dim) {
    const size_t count = static_cast<size_t>(out_dim) * static_cast<size_t>(dim);
    std::vector<uint16_t> half(count);
    bool exact = true; // the published heads are float16
    for (size_t i = 0; i < count && exact; ++i)
        exact = float_to_half_exact(weight[i], &half[i]);
    type_ = exact ? FloatType::F16 : FloatType::F32;
    packed_.resize(float_packed_bytes(out_dim, dim, type_));
    pack_float(exact ? static_cast<const void*>(half.data()) : weight, out_dim, dim, type_,
               packed_.data());
    if (bias)
        bias_.assign(bias, bias + out_dim);
}

void ColbertHead::run(const float* states, int begin, int end, float* out) const {
    const auto rows = static_cast<size_t>(begin);
    GemmFloat g;
    g.rows = states;
    g.ld = static_cast<size_t>(dim_);
    g.k = dim_;
    g.type = type_;
    g.weights = packed_.data();
    g.out.bias = bias_.empty() ? nullptr : bias_.data();
    g.out.f32 = out;
    g.out.ld = static_cast<size_t>(out_dim_);
    constexpr int kRows = 96;
    for (int m = begin; m < end; m += kRows)
        table()->gemm_float(g, m, std::min(end, m + kRows), 0, out_dim_ / kPanel);
    table()->normalize_rows(out + rows * g.out.ld, g.out.ld, end - begin, out_dim_);
}

} // namespace bge::kernels
