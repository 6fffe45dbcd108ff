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

/// The weights as the kernel takes them.
std::vector<uint8_t> pack(const KernelTable& t, const Product& p, Quant quant) {
    std::vector<uint8_t> packed(q8_packed_bytes(p.n, p.k, quant) + 64);
    pack_q8(p.w.data(), p.n, p.k, quant, t.packing, packed.data());
    return packed;
}

const Q8Block& block_of(const Product& p, int n, int block) {
    return p.w[static_cast<size_t>(n * (p.k / kBlock) + block)];
}

/// gemm_q8() and what it needs.
void run(const KernelTable& t, GemmQ8 g, const std::vector<uint8_t>& packed, Quant quant, int m0,
         int m1, int n) {
    std::vector<uint8_t> scales(fixed_scales_bytes(m1 - m0, g.rows.k));
    g.quant = quant;
    g.weights = packed.data();
    if (quant == Quant::Fixed) {
        t.fix_scales(g.rows, m0, m1, scales.data());
        g.scales = scales.data();
    }
    t.gemm_q8(g, m0, m1, 0, n / kPanel);
}

std::vector<float> multiply(const KernelTable& t, const Product& p, Quant quant,
                            Out kind = Out::F32, int m0 = 0, int m1 = -1) {
    Rows rows(p.m, p.k);
    t.quantize_rows(p.x.data(), static_cast<size_t>(p.k), 0, p.m, rows.rows);
    std::vector<float> out(static_cast<size_t>(p.m) * p.n, 0.0f);
    GemmQ8 g;
    g.rows = rows.rows;
    g.out.kind = kind;
    g.out.bias = p.bias.data();
    g.out.f32 = out.data();
    g.out.ld = static_cast<size_t>(p.n);
    run(t, g, pack(t, p, quant), quant, m0, m1 < 0 ? p.m : m1, p.n);
    return out;
}

constexpr Quant kQuants[] = {Quant::Block, Quant::Fixed};

} // namespace

TEST("kernels: gemm q8 reference is right") {
    for (Kind kind : {Kind::Normal, Kind::Outliers, Kind::Extreme})
        for (Quant quant : kQuants) {
            const Product p = product(13, 64, quant == Quant::Block ? 96 : 384, kind);
            const auto got = multiply(reference(), p, quant);
            Rows rows(p.m, p.k);
            reference().quantize_rows(p.x.data(), static_cast<size_t>(p.k), 0, p.m, rows.rows);
            for (int m = 0; m < p.m; ++m)
                for (int n = 0; n < p.n; ++n) {
                    double sum = p.bias[static_cast<size_t>(n)], size = std::fabs(sum), most_x = 0,
                           most_w = 0, integers = 0, scales = 0;
                    for (int b = 0; b < p.k / kBlock; ++b) {
                        double dot = 0;
                        for (int i = 0; i < kBlock; ++i)
                            dot += block_of(p, n, b).q[i] * rows.q(m, b * kBlock + i);
                        const double w = half(block_of(p, n, b).scale), x = rows.scale(m, b);
                        sum += dot * w * x;
                        size += std::fabs(dot * w * x);
                        integers += std::fabs(dot);
                        scales += w * x;
                        most_w = std::max(most_w, w);
                        most_x = std::max(most_x, x);
                    }
                    double allowed = size * 1e-6;
                    if (quant == Quant::Fixed) // three roundings of scales, one of each sum
                        allowed += most_w * most_x * 1.51 / 32767 * integers + 8 * scales;
                    CHECK(std::fabs(got[static_cast<size_t>(m * p.n + n)] - sum) <= allowed);
                }
        }
}

TEST("kernels: packed weights are the file's") {
    const Product p = product(1, 64, 256, Kind::Normal);
    const auto blocks = pack(reference(), p, Quant::Block),
               fixed = pack(reference(), p, Quant::Fixed);
    const size_t block_panel = q8_panel_bytes(p.k, Quant::Block),
                 half_panel = q8_panel_bytes(p.k, Quant::Fixed) / 2;
    for (int n = 0; n < p.n; ++n) {
        const uint8_t* of = &fixed[static_cast<size_t>(n / 16) * half_panel];
        const int c = n % 16;
        float factor;
        std::memcpy(&factor, of + p.k / 64 * (1024 + 64) + c * 4, 4);
        double most = 0;
        for (int b = 0; b < p.k / kBlock; ++b) {
            const Q8Block& block = block_of(p, n, b);
            most = std::max(most, half(block.scale));
            const uint8_t* in_blocks = &blocks[static_cast<size_t>(n / 32) * block_panel +
                                               static_cast<size_t>(b) * kQ8PanelBlockBytes];
            const uint8_t* pair = of + b / 2 * (1024 + 64);
            for (int i = 0; i < kBlock; ++i) {
                CHECK_EQ(static_cast<int8_t>(in_blocks[i / 4 * 128 + n % 32 * 4 + i % 4]),
                         block.q[i]);
                CHECK_EQ(static_cast<int8_t>(pair[b % 2 * 512 + i / 4 * 64 + c * 4 + i % 4]),
                         block.q[i]);
            }
            uint16_t scale;
            std::memcpy(&scale, in_blocks + 1024 + n % 32 * 2, 2);
            CHECK_EQ(scale, block.scale);
            int16_t share;
            std::memcpy(&share, pair + 1024 + c * 4 + b % 2 * 2, 2);
            CHECK(std::fabs(static_cast<double>(share) * factor - half(scale)) <= factor * 0.5001);
        }
        CHECK(std::fabs(factor * 32767.0 - most) <= most * 1e-6);
    }
}

TEST("kernels: what is not finite stays visible") {
    for (Quant quant : kQuants)
        for (const KernelTable* t : tables()) {
            Product p = product(3, 32, 128, Kind::Normal);
            p.w[4 * 5 + 2].scale = 0x7e00; // NaN in channel 5
            p.w[4 * 7 + 1].scale = 0xfc00; // infinite in channel 7
            for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
                p.x[128 + 40] = bad;
                const auto out = multiply(*t, p, quant);
                for (int m = 0; m < p.m; ++m)
                    for (int n = 0; n < p.n; ++n)
                        CHECK_EQ(std::isfinite(out[static_cast<size_t>(m * p.n + n)]),
                                 m != 1 && n != 5 && n != 7);
            }
        }
}

TEST("kernels: weights with negative scales") {
    for (Quant quant : kQuants) {
        Product p = product(9, 32, 128, Kind::Normal);
        const auto before = multiply(reference(), p, quant);
        for (Q8Block& b : p.w)
            b.scale ^= 0x8000;
        std::fill(p.bias.begin(), p.bias.end(), 0.0f);
        const auto after = multiply(reference(), p, quant);
        for (const KernelTable* t : tables())
            CHECK(same_bits(multiply(*t, p, quant), after));
        const Product q = product(9, 32, 128, Kind::Normal);
        for (size_t i = 0; i < after.size(); ++i)
            CHECK(std::fabs(before[i] - q.bias[i % 32] + after[i]) <=
                  1e-3 * (1 + std::fabs(after[i])));
    }
}

TEST("kernels: quantized values are as near as their int8 can be") {
    for (Kind kind : {Kind::Normal, Kind::Outliers, Kind::Extreme}) {
        const int m = 9, k = 256;
        const auto x = floats(static_cast<size_t>(m) * k, 11, kind);
        Rows rows(m, k);
        reference().quantize_rows(x.data(), k, 0, m, rows.rows);
        double error = 0, plain_error = 0; // relative, all blocks
        for (int r = 0; r < m; ++r)
            for (int b = 0; b < k / kBlock; ++b) {
                const auto value = [&](int i) {
                    return static_cast<double>(x[static_cast<size_t>(r * k + b * kBlock + i)]);
                };
                double most = 0, squares = 0, mine = 0, plain = 0, sum = 0;
                for (int i = 0; i < kBlock; ++i)
                    most = std::max(most, std::fabs(value(i)));
                const double scale = rows.scale(r, b);
                for (int i = 0; i < kBlock; ++i) {
                    const int q = rows.q(r, b * kBlock + i);
                    CHECK(std::fabs(q - value(i) / most * 127) <= 0.50001);
                    mine += std::pow(value(i) - scale * q, 2);
                    plain += std::pow(value(i) - most / 127 * q, 2);
                    squares += value(i) * value(i);
                    sum += q;
                }
                CHECK(mine <= plain * 1.00001 + squares * 1e-12);
                CHECK_EQ(static_cast<double>(rows.start(r, b)), -128 * sum);
                error += mine / squares;
                plain_error += plain / squares;
            }
        std::printf("  squared error beside scales of max / 127: %.4f\n", error / plain_error);
        // one part in 32 on average; less where a few values are far above the rest
        CHECK(error < (kind == Kind::Normal ? 0.985 : 0.9999) * plain_error);
    }
}

TEST("kernels: every isa quantizes alike") {
    for (const KernelTable* t : tables())
        for (Kind kind : kKinds)
            for (int k : {32, 64, 384, 1024}) {
                const auto x = floats(static_cast<size_t>(11) * k, 23, kind);
                Rows a(11, k), b(11, k, *t);
                reference().quantize_rows(x.data(), static_cast<size_t>(k), 0, 11, a.rows);
                t->quantize_rows(x.data(), static_cast<size_t>(k), 0, 11, b.rows);
                CHECK(a.same(b));
                if (k % 64 != 0)
                    continue;
                std::vector<uint8_t> fixed(fixed_scales_bytes(11, k)), same(fixed.size());
                reference().fix_scales(a.rows, 0, 11, fixed.data());
                t->fix_scales(b.rows, 0, 11, same.data());
                CHECK(same_bits(fixed, same));
            }
}

TEST("kernels: every isa multiplies alike") {
    for (const KernelTable* t : tables())
        for (Quant quant : kQuants)
            for (Kind kind : kKinds) {
                for (int m = 1; m <= 20; ++m) {
                    const Product p = product(m, 64, quant == Quant::Block ? 96 : 128, kind);
                    CHECK(same_bits(multiply(reference(), p, quant), multiply(*t, p, quant)));
                    CHECK(same_bits(multiply(reference(), p, quant, Out::GeluF32),
                                    multiply(*t, p, quant, Out::GeluF32)));
                }
                for (const Product& p :
                     {product(13, 96, 1024, kind), product(9, 32, 4096 + 64, kind)})
                    CHECK(same_bits(multiply(reference(), p, quant), multiply(*t, p, quant)));
            }
}

TEST("kernels: rows do not depend on their tile") {
    auto all = tables();
    all.push_back(&reference());
    for (const KernelTable* t : all)
        for (Quant quant : kQuants) {
            const Product p = product(27, 32, quant == Quant::Block ? 160 : 256, Kind::Normal);
            const auto whole = multiply(*t, p, quant);
            for (int m0 = 0; m0 < p.m; m0 += 8)
                for (int m1 = m0 + 1; m1 <= p.m; ++m1) {
                    const auto part = multiply(*t, p, quant, Out::F32, m0, m1);
                    CHECK(std::memcmp(part.data() + m0 * p.n, whole.data() + m0 * p.n,
                                      static_cast<size_t>((m1 - m0) * p.n) * 4) == 0);
                }
            for (int shift = 1; shift < 12; ++shift) { // at another place in its tile
                Product moved = p;
                moved.m = p.m - shift;
                moved.x.erase(moved.x.begin(), moved.x.begin() + shift * p.k);
                const auto out = multiply(*t, moved, quant);
                CHECK(std::memcmp(out.data(), whole.data() + shift * p.n,
                                  static_cast<size_t>(moved.m * p.n) * 4) == 0);
            }
        }
}

TEST("kernels: quantized and float16 outputs agree") {
    for (const KernelTable* t : tables())
        for (Quant quant : kQuants)
            for (int m : {1, 6, 11}) {
                const Product p = product(m, 256, 128, Kind::Normal);
                std::vector<std::vector<uint16_t>> halves;
                std::vector<Rows> outs;
                for (const KernelTable* u : {&reference(), t}) {
                    Rows rows(m, p.k, *u), out(m, p.n, *u);
                    u->quantize_rows(p.x.data(), static_cast<size_t>(p.k), 0, m, rows.rows);
                    const auto packed = pack(*u, p, quant);
                    std::vector<uint16_t> f16(static_cast<size_t>(m) * p.n);
                    GemmQ8 g;
                    g.rows = rows.rows;
                    g.out.bias = p.bias.data();
                    g.out.ld = static_cast<size_t>(p.n);
                    g.out.kind = Out::F16;
                    g.out.scale = 0.18f;
                    g.out.f16 = f16.data();
                    run(*u, g, packed, quant, 0, m, p.n);
                    halves.push_back(f16);
                    g.out.kind = Out::GeluQ8;
                    g.out.q8 = out.rows;
                    run(*u, g, packed, quant, 0, m, p.n);
                    outs.push_back(std::move(out));
                }
                CHECK(same_bits(halves[0], halves[1]));
                CHECK(outs[0].same(outs[1]));
            }
}

TEST("kernels: float16 rows are rounded to nearest even") {
    auto all = tables();
    all.push_back(&reference());
    for (const KernelTable* t : all) {
        // activations of zero: what comes out is the bias, rounded
        Product p = product(1, 64, 32, Kind::Normal);
        std::fill(p.x.begin(), p.x.end(), 0.0f);
        for (const float size : {1e-7f, 1e-5f, 1.0f, 3e4f}) {
            for (size_t i = 0; i < p.bias.size(); ++i)
                p.bias[i] = size * static_cast<float>(static_cast<int>(i) - 31) * 0.0333333f;
            Rows rows(1, p.k);
            t->quantize_rows(p.x.data(), static_cast<size_t>(p.k), 0, 1, rows.rows);
            const auto packed = pack(*t, p, Quant::Block);
            std::vector<uint16_t> out(static_cast<size_t>(p.n));
            GemmQ8 g;
            g.rows = rows.rows;
            g.weights = packed.data();
            g.out.bias = p.bias.data();
            g.out.ld = static_cast<size_t>(p.n);
            g.out.kind = Out::F16;
            g.out.f16 = out.data();
            t->gemm_q8(g, 0, 1, 0, p.n / kPanel);
            for (size_t i = 0; i < out.size(); ++i)
                CHECK(wide(out[i]) == wide(half_of(static_cast<double>(p.bias[i]))));
        }
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
