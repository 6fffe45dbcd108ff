// The sparse and the ColBERT head, against double precision.
#include "support.h"

#include "../../kernels/heads.h"

using namespace kernel_test;

TEST("kernels: heads") {
    const int n = 13, dim = 64, out_dim = 96;
    const auto states = floats(static_cast<size_t>(n) * dim, 1),
               bias = floats(static_cast<size_t>(out_dim), 3);
    auto weight = floats(static_cast<size_t>(out_dim) * dim, 2);
    for (bool half : {false, true}) {
        if (half)
            for (float& v : weight)
                v = std::round(v * 64) / 64; // exact in float16
        const ColbertHead head(weight.data(), bias.data(), out_dim, dim);
        std::vector<float> out(static_cast<size_t>(n) * out_dim), parts(out.size());
        head.run(states.data(), 0, n, out.data());
        head.run(states.data(), 0, 5, parts.data());
        head.run(states.data(), 5, n, parts.data());
        CHECK(same_bits(out, parts));
        for (int i = 0; i < n; ++i) {
            std::vector<double> exact(static_cast<size_t>(out_dim));
            double length = 0, dot = 0, mine = 0;
            for (int o = 0; o < out_dim; ++o) {
                double sum = bias[static_cast<size_t>(o)];
                for (int j = 0; j < dim; ++j)
                    sum += static_cast<double>(weight[static_cast<size_t>(o * dim + j)]) *
                           states[static_cast<size_t>(i * dim + j)];
                exact[static_cast<size_t>(o)] = sum;
                length += sum * sum;
            }
            for (int o = 0; o < out_dim; ++o) {
                const double v = out[static_cast<size_t>(i * out_dim + o)];
                dot += v * exact[static_cast<size_t>(o)];
                mine += v * v;
            }
            CHECK(dot / std::sqrt(length * mine) > 1 - 1e-11);
            CHECK(std::fabs(mine - 1) < 1e-5);
        }
    }
    std::vector<float> sparse(static_cast<size_t>(n));
    head_sparse(states.data(), n, dim, weight.data(), -0.5f, sparse.data());
    for (int i = 0; i < n; ++i) {
        double sum = -0.5;
        for (int j = 0; j < dim; ++j)
            sum += static_cast<double>(weight[static_cast<size_t>(j)]) *
                   states[static_cast<size_t>(i * dim + j)];
        CHECK(std::fabs(sparse[static_cast<size_t>(i)] - std::max(0.0, sum)) < 1e-4);
    }
}
