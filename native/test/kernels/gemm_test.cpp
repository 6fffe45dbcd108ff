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
    if (quant == Quant::Block) {
        pack_q8(p.w.data(), p.n, p.k, t.unsigned_weights, packed.data());
        return packed;
    }
    const auto k = static_cast<size_t>(p.k);
    std::vector<float> rows(kPanel * k);
    for (int panel = 0; panel < p.n / kPanel; ++panel) {
        for (size_t c = 0; c < kPanel; ++c)
            dequantize_q8(&p.w[(static_cast<size_t>(panel) * kPanel + c) * (k / kBlock)], p.k,
                          rows.data() + c * k);
        pack_q8_group_panel(rows.data(), p.k, t.unsigned_weights,
                            packed.data() +
                                static_cast<size_t>(panel) * q8_panel_bytes(p.k, quant));
    }
    return packed;
}

/// Weight k of channel n in the packed form of signed weights.
double packed_weight(const std::vector<uint8_t>& packed, int n, int k, int size, Quant quant) {
    const int span = quant == Quant::Group ? kGroup : kBlock;
    const uint8_t* part = packed.data() +
                          static_cast<size_t>(n / kPanel) * q8_panel_bytes(size, quant) +
                          static_cast<size_t>(k / span) * static_cast<size_t>(kPanel * (span + 2));
    const int c = n % kPanel;
    uint16_t scale;
    std::memcpy(&scale, part + kPanel * span + c * 2, 2);
    return half(scale) * static_cast<int8_t>(part[k % span / 4 * kPanel * 4 + c * 4 + k % 4]);
}

std::vector<float> multiply(const KernelTable& t, const Product& p, Quant quant,
                            Out kind = Out::F32, int m0 = 0, int m1 = -1) {
    Rows rows(p.m, p.k);
    t.quantize_rows(p.x.data(), static_cast<size_t>(p.k), p.m, 0, p.k, quant, rows.rows);
    const auto packed = pack(t, p, quant);
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
        for (Quant quant : {Quant::Block, Quant::Group}) {
            const Product p = product(7, 64, quant == Quant::Block ? 96 : 384, kind);
            const auto got = multiply(reference(), p, quant);
            const auto packed = pack(reference(), p, quant);
            Rows rows(p.m, p.k);
            reference().quantize_rows(p.x.data(), static_cast<size_t>(p.k), p.m, 0, p.k, quant,
                                      rows.rows);
            for (int m = 0; m < p.m; ++m)
                for (int n = 0; n < p.n; ++n) {
                    double sum = p.bias[static_cast<size_t>(n)], size = std::fabs(sum);
                    for (int k = 0; k < p.k; ++k) {
                        const double term = packed_weight(packed, n, k, p.k, quant) *
                                            rows.scale(m, k / kBlock, quant) * rows.q(m)[k];
                        sum += term;
                        size += std::fabs(term);
                    }
                    CHECK(std::fabs(got[static_cast<size_t>(m * p.n + n)] - sum) <= size * 1e-6);
                }
        }
}

TEST("kernels: weights by blocks are the file's, by groups within half a step") {
    Product p = product(1, 64, 256, Kind::Normal);
    for (Q8Block& b : p.w)
        b.q[9] = 127; // as where a scale is max|x| / 127
    const auto blocks = pack(reference(), p, Quant::Block),
               groups = pack(reference(), p, Quant::Group);
    int exact = 0;
    for (int n = 0; n < p.n; ++n)
        for (int k = 0; k < p.k; ++k) {
            const auto at = [&](int i) -> const Q8Block& {
                return p.w[static_cast<size_t>(n * (p.k / kBlock) + i / kBlock)];
            };
            const double value = half(at(k).scale) * at(k).q[k % kBlock];
            double top = 0;
            for (int i = k / kGroup * kGroup; i < (k / kGroup + 1) * kGroup; ++i)
                top = std::max(top, std::fabs(half(at(i).scale) * at(i).q[i % kBlock]));
            CHECK_EQ(packed_weight(blocks, n, k, p.k, Quant::Block), value);
            const double grouped = packed_weight(groups, n, k, p.k, Quant::Group);
            // the scale itself is rounded to float16, denormal ones coarsely
            CHECK(std::fabs(grouped - value) <= top / 127 * 0.57 + 1e-7);
            exact += grouped == value;
        }
    CHECK(exact > p.n * p.k / 4); // the block with the largest scale keeps its values
    std::vector<float> rows(kPanel * kGroup, 1.0f);
    rows[5] = INFINITY;
    rows[kGroup + 7] = NAN;
    std::vector<uint8_t> panel(q8_panel_bytes(kGroup, Quant::Group));
    pack_q8_group_panel(rows.data(), kGroup, false, panel.data());
    for (size_t n = 0; n < 3; ++n) { // what is not finite stays visible
        uint16_t scale;
        std::memcpy(&scale, panel.data() + kPanel * kGroup + n * 2, 2);
        CHECK_EQ(scale == 0x7e00, n < 2);
    }
}

TEST("kernels: quantize error is bounded") {
    for (Quant quant : {Quant::Block, Quant::Group})
        for (Kind kind : {Kind::Normal, Kind::Outliers, Kind::Extreme}) {
            const int m = 9, k = 256;
            const auto x = floats(static_cast<size_t>(m) * k, 11, kind);
            Rows rows(m, k);
            reference().quantize_rows(x.data(), k, m, 0, k, quant, rows.rows);
            for (int r = 0; r < m; ++r) {
                std::vector<float> amax(static_cast<size_t>(k / kBlock));
                std::vector<int64_t> sums(amax.size());
                for (int i = 0; i < k; ++i) {
                    const auto b = static_cast<size_t>(i / kBlock);
                    amax[b] = std::max(amax[b], std::fabs(x[static_cast<size_t>(r * k + i)]));
                    sums[b] += rows.q(r)[i];
                }
                const int span = quant == Quant::Group ? kGroupBlocks : 1,
                          scales = k / kBlock / span;
                const auto* corrections = reinterpret_cast<const int32_t*>(rows.scales(r) + scales);
                for (int s = 0; s < scales; ++s) {
                    double top = 0, shifted = 0;
                    for (int b = s * span; b < (s + 1) * span; ++b)
                        top = std::max(top, static_cast<double>(amax[static_cast<size_t>(b)]));
                    for (int b = s * span; b < (s + 1) * span; ++b) {
                        const double scale = rows.scale(r, b, quant);
                        shifted += static_cast<double>(sums[static_cast<size_t>(b)]) * scale /
                                   rows.scales(r)[s];
                        for (int i = b * kBlock; i < (b + 1) * kBlock; ++i) {
                            const float v = x[static_cast<size_t>(r * k + i)];
                            CHECK(std::fabs(scale * rows.q(r)[i] - v) <= scale * 0.50001);
                            CHECK(rows.q(r)[i] >= -127);
                        }
                        // a block's own scale, or less than twice that, or its group's least
                        const double own = static_cast<double>(amax[static_cast<size_t>(b)]) / 127;
                        if (quant == Quant::Block)
                            CHECK(scale <= own * 1.000001);
                        else
                            CHECK(scale < std::max(own * 2.000002, top / 127 / 511.9));
                    }
                    CHECK_EQ(static_cast<double>(corrections[s]), -128 * shifted);
                }
            }
        }
}

TEST("kernels: every isa quantizes alike") {
    for (const KernelTable* t : tables())
        for (Quant quant : {Quant::Block, Quant::Group})
            for (Kind kind : kKinds)
                for (int k : {32, 64, 384, 1024}) {
                    if (quant_of(quant, k) != quant)
                        continue;
                    const auto x = floats(static_cast<size_t>(5) * k, 23, kind);
                    Rows a(5, k), b(5, k);
                    reference().quantize_rows(x.data(), static_cast<size_t>(k), 5, 0, k, quant,
                                              a.rows);
                    t->quantize_rows(x.data(), static_cast<size_t>(k), 5, 0, k, quant, b.rows);
                    CHECK(a.same(b));
                }
}

TEST("kernels: every isa multiplies alike") {
    for (const KernelTable* t : tables())
        for (Quant quant : {Quant::Block, Quant::Group})
            for (Kind kind : kKinds) {
                for (int m = 1; m <= 20; ++m) {
                    const Product p = product(m, 64, quant == Quant::Block ? 96 : 128, kind);
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
    for (const KernelTable* t : all)
        for (Quant quant : {Quant::Block, Quant::Group}) {
            const Product p = product(23, 32, quant == Quant::Block ? 160 : 256, Kind::Normal);
            const auto whole = multiply(*t, p, quant);
            for (int m0 = 0; m0 < p.m; m0 += 3)
                for (int m1 = m0 + 1; m1 <= p.m; m1 += 2) {
                    const auto part = multiply(*t, p, quant, Out::F32, m0, m1);
                    CHECK(std::memcmp(part.data() + m0 * p.n, whole.data() + m0 * p.n,
                                      static_cast<size_t>((m1 - m0) * p.n) * 4) == 0);
                }
        }
}

TEST("kernels: quantized and float16 outputs agree") {
    for (const KernelTable* t : tables())
        for (Quant quant : {Quant::Block, Quant::Group})
            for (int m : {1, 6, 11}) {
                const Product p = product(m, 256, 128, Kind::Normal);
                std::vector<std::vector<uint16_t>> halves;
                std::vector<Rows> outs;
                for (const KernelTable* u : {&reference(), t}) {
                    Rows rows(m, p.k), out(m, p.n);
                    u->quantize_rows(p.x.data(), static_cast<size_t>(p.k), m, 0, p.k, quant,
                                     rows.rows);
                    const auto packed = pack(*u, p, quant);
                    std::vector<uint16_t> bf(static_cast<size_t>(m) * p.n);
                    GemmQ8 g;
                    g.rows = rows.rows;
                    g.quant = quant;
                    g.weights = packed.data();
                    g.out.bias = p.bias.data();
                    g.out.ld = static_cast<size_t>(p.n);
                    g.out.kind = Out::F16;
                    g.out.scale = 0.18f;
                    g.out.f16 = bf.data();
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
            t->quantize_rows(p.x.data(), static_cast<size_t>(p.k), 1, 0, p.k, Quant::Block,
                             rows.rows);
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
