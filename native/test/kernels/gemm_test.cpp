// Matrix multiplies: the reference table against double precision, every other table against the
// reference bit for bit, and a row's bits against its neighbours.
#include "support.h"

using namespace kernel_test;

namespace {

struct Product {
    int m, n, k;
    std::vector<float> x, bias;
    std::vector<Q8Block> w;
};

Product product(int m, int n, int k, Kind kind) {
    return {m,
            n,
            k,
            floats(static_cast<size_t>(m) * k, 7u + static_cast<unsigned>(m), kind),
            floats(static_cast<size_t>(n), 3),
            weights(n, k, 5)};
}

std::vector<float> multiply(const KernelTable& t, const Product& p, Quant quant,
                            Out kind = Out::F32, int m0 = 0, int m1 = -1) {
    Rows rows(p.m, p.k);
    t.quantize_rows(p.x.data(), static_cast<size_t>(p.k), p.m, quant, rows.rows);
    std::vector<uint8_t> packed(q8_packed_bytes(p.n, p.k) + 64);
    pack_q8(p.w.data(), p.n, p.k, t.unsigned_weights, packed.data());
    std::vector<float> out(static_cast<size_t>(p.m) * p.n, 0.0f);
    GemmQ8 g;
    g.rows = rows.rows;
    g.quant = quant;
    g.weights = packed.data();
    g.out.kind = kind;
    g.out.bias = p.bias.data();
    g.out.f32 = out.data();
    g.out.ld = static_cast<size_t>(p.n);
    t.gemm_q8(g, m0, m1 < 0 ? p.m : m1, 0, p.n / kPanel);
    return out;
}

} // namespace

TEST("kernels: gemm q8 reference is right") {
    for (Kind kind : {Kind::Normal, Kind::Outliers})
        for (Quant quant : {Quant::Block, Quant::Short}) {
            const Product p = product(7, 64, 96, kind);
            const auto got = multiply(reference(), p, quant);
            Rows rows(p.m, p.k);
            reference().quantize_rows(p.x.data(), static_cast<size_t>(p.k), p.m, quant, rows.rows);
            for (int m = 0; m < p.m; ++m)
                for (int n = 0; n < p.n; ++n) {
                    double sum = p.bias[static_cast<size_t>(n)], size = std::fabs(sum);
                    for (int k = 0; k < p.k; ++k) {
                        const Q8Block& b =
                            p.w[static_cast<size_t>(n * (p.k / kBlock) + k / kBlock)];
                        const double term = half(b.scale) * b.q[k % kBlock] *
                                            static_cast<double>(rows.scales(m)[k / kBlock]) *
                                            rows.q(m)[k];
                        sum += term;
                        size += std::fabs(term);
                    }
                    CHECK(std::fabs(got[static_cast<size_t>(m * p.n + n)] - sum) <= size * 1e-6);
                }
        }
}

TEST("kernels: quantize error is bounded") {
    for (Quant quant : {Quant::Block, Quant::Short})
        for (Kind kind : {Kind::Normal, Kind::Outliers, Kind::Extreme}) {
            const int m = 9, k = 256;
            const auto x = floats(static_cast<size_t>(m) * k, 11, kind);
            Rows rows(m, k);
            reference().quantize_rows(x.data(), k, m, quant, rows.rows);
            for (int r = 0; r < m; ++r)
                for (int b = 0; b < k / kBlock; ++b) {
                    const float scale = rows.scales(r)[b];
                    float amax = 0;
                    int sum = 0;
                    for (int i = b * kBlock; i < (b + 1) * kBlock; ++i) {
                        const float v = x[static_cast<size_t>(r * k + i)];
                        amax = std::max(amax, std::fabs(v));
                        sum += rows.q(r)[i];
                        CHECK(std::fabs(static_cast<double>(scale) * rows.q(r)[i] - v) <=
                              scale * 0.50001);
                        CHECK(rows.q(r)[i] >= -127);
                    }
                    CHECK(scale <= amax / 127 * (quant == Quant::Block ? 1.000001f : 1.250003f));
                    CHECK_EQ(reinterpret_cast<const int32_t*>(rows.scales(r) + k / kBlock)[b],
                             -128 * sum);
                }
        }
}

TEST("kernels: every isa quantizes alike") {
    for (const KernelTable* t : tables())
        for (Quant quant : {Quant::Block, Quant::Short})
            for (Kind kind : kKinds)
                for (int k : {32, 64, 384, 1024}) {
                    const auto x = floats(static_cast<size_t>(5) * k, 23, kind);
                    Rows a(5, k), b(5, k);
                    reference().quantize_rows(x.data(), static_cast<size_t>(k), 5, quant, a.rows);
                    t->quantize_rows(x.data(), static_cast<size_t>(k), 5, quant, b.rows);
                    CHECK(a.same(b));
                }
}

TEST("kernels: every isa multiplies alike") {
    for (const KernelTable* t : tables())
        for (Quant quant : {Quant::Block, Quant::Short})
            for (Kind kind : kKinds) {
                for (int m = 1; m <= 20; ++m) {
                    const Product p = product(m, 64, 96, kind);
                    CHECK(same_bits(multiply(reference(), p, quant), multiply(*t, p, quant)));
                    CHECK(same_bits(multiply(reference(), p, quant, Out::GeluF32),
                                    multiply(*t, p, quant, Out::GeluF32)));
                }
                const Product p = product(13, 96, 1024, kind);
                CHECK(same_bits(multiply(reference(), p, quant), multiply(*t, p, quant)));
            }
}

TEST("kernels: rows do not depend on their tile") {
    auto all = tables();
    all.push_back(&reference());
    for (const KernelTable* t : all) {
        const Product p = product(23, 32, 160, Kind::Normal);
        const auto whole = multiply(*t, p, Quant::Block);
        for (int m0 = 0; m0 < p.m; m0 += 3)
            for (int m1 = m0 + 1; m1 <= p.m; m1 += 2) {
                const auto part = multiply(*t, p, Quant::Block, Out::F32, m0, m1);
                CHECK(std::memcmp(part.data() + m0 * p.n, whole.data() + m0 * p.n,
                                  static_cast<size_t>((m1 - m0) * p.n) * 4) == 0);
            }
    }
}

TEST("kernels: quantized and bfloat16 outputs agree") {
    for (const KernelTable* t : tables())
        for (Quant quant : {Quant::Block, Quant::Short})
            for (int m : {1, 6, 11}) {
                const Product p = product(m, 128, 64, Kind::Normal);
                std::vector<std::vector<uint16_t>> halves;
                std::vector<Rows> outs;
                for (const KernelTable* u : {&reference(), t}) {
                    Rows rows(m, p.k), out(m, p.n);
                    u->quantize_rows(p.x.data(), static_cast<size_t>(p.k), m, quant, rows.rows);
                    std::vector<uint8_t> packed(q8_packed_bytes(p.n, p.k));
                    pack_q8(p.w.data(), p.n, p.k, u->unsigned_weights, packed.data());
                    std::vector<uint16_t> bf(static_cast<size_t>(m) * p.n);
                    GemmQ8 g;
                    g.rows = rows.rows;
                    g.quant = quant;
                    g.weights = packed.data();
                    g.out.bias = p.bias.data();
                    g.out.ld = static_cast<size_t>(p.n);
                    g.out.kind = Out::Bf16;
                    g.out.scale = 0.18f;
                    g.out.bf16 = bf.data();
                    u->gemm_q8(g, 0, m, 0, p.n / kPanel);
                    halves.push_back(bf);
                    g.out.kind = Out::GeluQ8;
                    g.out.q8 = out.rows;
                    g.out.quant = quant;
                    u->gemm_q8(g, 0, m, 0, p.n / kPanel);
                    outs.push_back(std::move(out));
                }
                CHECK(same_bits(halves[0], halves[1]));
                CHECK(outs[0].same(outs[1]));
            }
}

TEST("kernels: float weights") {
    for (FloatType type : {FloatType::F16, FloatType::BF16, FloatType::F32}) {
        const int m = 11, n = 64, k = 50;
        const auto x = floats(static_cast<size_t>(m) * k, 1),
                   w = floats(static_cast<size_t>(n) * k, 2);
        std::vector<uint8_t> raw(w.size() * float_size(type));
        std::vector<double> exact(w.size());
        for (size_t i = 0; i < w.size(); ++i) {
            if (type == FloatType::F32) {
                std::memcpy(&raw[i * 4], &w[i], 4);
                exact[i] = w[i];
                continue;
            }
            uint32_t u;
            std::memcpy(&u, &w[i], 4);
            uint16_t h = static_cast<uint16_t>(u >> 16);
            if (type == FloatType::F16)
                h = static_cast<uint16_t>(u % 0x7bff | (u & 0x80000000u) >> 16);
            std::memcpy(&raw[i * 2], &h, 2);
            float f;
            u = static_cast<uint32_t>(h) << 16;
            std::memcpy(&f, &u, 4);
            exact[i] = type == FloatType::F16 ? half(h) : f;
        }
        std::vector<uint8_t> packed(float_packed_bytes(n, k, type));
        pack_float(raw.data(), n, k, type, packed.data());
        GemmFloat g;
        g.rows = x.data();
        g.ld = static_cast<size_t>(k);
        g.k = k;
        g.type = type;
        g.weights = packed.data();
        std::vector<float> out(static_cast<size_t>(m) * n);
        g.out.f32 = out.data();
        g.out.ld = static_cast<size_t>(n);
        reference().gemm_float(g, 0, m, 0, n / kPanel);
        for (int i = 0; i < m; ++i)
            for (int j = 0; j < n; ++j) {
                double sum = 0, size = 0;
                for (int l = 0; l < k; ++l) {
                    const double term =
                        exact[static_cast<size_t>(j * k + l)] * x[static_cast<size_t>(i * k + l)];
                    sum += term;
                    size += std::fabs(term);
                }
                CHECK(std::fabs(out[static_cast<size_t>(i * n + j)] - sum) <= size * 2e-6);
            }
        const auto first = out;
        for (const KernelTable* t : tables()) {
            std::fill(out.begin(), out.end(), 0.0f);
            t->gemm_float(g, 0, m, 0, n / kPanel);
            CHECK(same_bits(out, first));
        }
    }
}
