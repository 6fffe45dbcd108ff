// GELU, layer norm, heads' row operations.
#include "support.h"

using namespace kernel_test;

TEST("kernels: gelu is the erf form") {
    double worst = 0;
    for (int step = 0; step < 4000; ++step) {
        std::vector<float> x(16), y(16);
        for (int i = 0; i < 16; ++i)
            x[static_cast<size_t>(i)] =
                -8.0f + 16.0f * static_cast<float>(step * 16 + i) / 64000.0f;
        reference().gelu(x.data(), y.data(), 16);
        for (size_t i = 0; i < 16; ++i) {
            const double v = x[i], exact = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
            worst = std::max(worst, std::fabs(y[i] - exact));
        }
    }
    std::printf("  gelu: largest error %.2e\n", worst);
    CHECK(worst < 1.3e-6);
    std::vector<float> x = {1000.0f, -1000.0f, 1e30f,  -1e30f,  0.0f,   -0.0f,   6.0f,  -6.0f,
                            5.3f,    -5.3f,    1e-30f, -1e-30f, 100.0f, -100.0f, 20.0f, -20.0f};
    std::vector<float> y(16);
    reference().gelu(x.data(), y.data(), 16);
    for (size_t i = 0; i < 16; ++i)
        if (std::fabs(x[i]) > 5.2f)
            CHECK_EQ(y[i], x[i] > 0 ? x[i] : 0.0f);
}

TEST("kernels: every isa computes rows alike") {
    for (const KernelTable* t : tables())
        for (Kind kind : kKinds)
            for (int n : {32, 64, 384, 768, 1024}) {
                const int rows = 5;
                const auto x = floats(static_cast<size_t>(rows) * n, 31, kind),
                           r = floats(static_cast<size_t>(rows) * n, 32),
                           w = floats(static_cast<size_t>(n), 33),
                           b = floats(static_cast<size_t>(n), 34);
                std::vector<std::vector<float>> ys;
                std::vector<Rows> qs;
                for (const KernelTable* u : {&reference(), t}) {
                    Rows q(rows, n, *u);
                    std::vector<float> y(x.size()), extra(x.size() + 5);
                    NormRows g;
                    g.x = x.data();
                    g.ldx = g.ld_residual = g.ldy = static_cast<size_t>(n);
                    g.residual = kind == Kind::Outliers ? nullptr : r.data();
                    g.weight = w.data();
                    g.bias = b.data();
                    g.eps = 1e-5f;
                    g.n = n;
                    g.y = y.data();
                    g.q8 = q.rows;
                    u->norm_rows(g, 0, rows);
                    u->gelu(x.data(), extra.data(), rows * n);
                    u->dot_rows(x.data(), static_cast<size_t>(n), rows, n, w.data(),
                                extra.data() + x.size());
                    std::vector<float> unit = x;
                    u->normalize_rows(unit.data(), static_cast<size_t>(n), rows, n);
                    y.insert(y.end(), extra.begin(), extra.end());
                    y.insert(y.end(), unit.begin(), unit.end());
                    ys.push_back(y);
                    qs.push_back(std::move(q));
                }
                CHECK(same_bits(ys[0], ys[1]));
                CHECK(qs[0].same(qs[1]));
            }
}

TEST("kernels: norm is right") {
    const int n = 1024;
    for (float offset : {0.0f, 50.0f}) {
        auto x = floats(static_cast<size_t>(n), 41), r = floats(static_cast<size_t>(n), 42);
        for (float& v : x)
            v += offset;
        const auto w = floats(static_cast<size_t>(n), 43), b = floats(static_cast<size_t>(n), 44);
        std::vector<float> y(static_cast<size_t>(n));
        NormRows g;
        g.x = x.data();
        g.residual = r.data();
        g.weight = w.data();
        g.bias = b.data();
        g.eps = 1e-5f;
        g.n = n;
        g.y = y.data();
        reference().norm_rows(g, 0, 1);
        double mean = 0, var = 0;
        for (size_t i = 0; i < y.size(); ++i)
            mean += (static_cast<double>(x[i]) + r[i]) / n;
        for (size_t i = 0; i < y.size(); ++i)
            var += std::pow(static_cast<double>(x[i]) + r[i] - mean, 2) / n;
        for (size_t i = 0; i < y.size(); ++i) {
            const double exact =
                (static_cast<double>(x[i]) + r[i] - mean) / std::sqrt(var + 1e-5) * w[i] + b[i];
            CHECK(std::fabs(y[i] - exact) < 4e-5);
        }
    }
}
