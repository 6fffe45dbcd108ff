// Attention: the reference against double precision, the other tables against the reference bit for
// bit, and a sequence against what lies beside it.
#include "support.h"

using namespace kernel_test;

namespace {

std::vector<uint16_t> halves(size_t n, unsigned seed, float size, Kind kind = Kind::Normal) {
    const auto x = floats(n, seed, kind);
    std::vector<uint16_t> h(n);
    for (size_t i = 0; i < n; ++i) {
        const double v = std::clamp(static_cast<double>(x[i]) * size, -65504.0, 65504.0);
        h[i] = half_of(v);
    }
    return h;
}

struct Heads {
    int tokens, heads, dim;
    std::vector<uint16_t> q, k, v;
    size_t ld() const { return static_cast<size_t>(heads * dim); }
};
Heads heads(int tokens, int n, int dim, float size, Kind kind = Kind::Normal) {
    const size_t count = static_cast<size_t>(tokens) * static_cast<size_t>(n * dim);
    return {tokens,
            n,
            dim,
            halves(count, 1, size, kind),
            halves(count, 2, 1.0f, kind),
            halves(count, 3, 1.0f, kind)};
}

std::vector<float> run(const KernelTable& t, const Heads& h, int begin, int end, int step,
                       Rows* q8 = nullptr) {
    std::vector<float> out(static_cast<size_t>(h.tokens) * h.ld(), 0.0f);
    Attention g;
    g.q = h.q.data();
    g.k = h.k.data();
    g.v = h.v.data();
    g.ld = h.ld();
    g.head_dim = h.dim;
    g.out = out.data();
    g.ldo = h.ld();
    if (q8)
        g.q8 = q8->rows;
    std::vector<uint8_t> scratch(attention_scratch_bytes(end - begin, h.dim) + 64);
    void* aligned = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64) % 64;
    for (int head = 0; head < h.heads; ++head) {
        t.attention_pack(g, begin, end, head, aligned);
        for (int q = begin; q < end; q += step)
            t.attention(g, begin, end, head, q, std::min(end, q + step), aligned);
    }
    return out;
}

} // namespace

TEST("kernels: attention reference is right") {
    double worst = 0;
    for (int dim : {32, 64})
        for (int tokens : {1, 2, 15, 33, 600}) {
            const Heads h = heads(tokens, 2, dim, 0.3f);
            const auto out = run(reference(), h, 0, tokens, tokens);
            for (int q = 0; q<tokens; q += tokens> 100 ? 61 : 1)
                for (int head = 0; head < 2; ++head) {
                    std::vector<double> s(static_cast<size_t>(tokens));
                    double top = -1e300, total = 0;
                    for (int j = 0; j < tokens; ++j) {
                        double dot = 0;
                        for (int d = 0; d < dim; ++d)
                            dot += wide(h.q[static_cast<size_t>(q) * h.ld() +
                                            static_cast<size_t>(head * dim + d)]) *
                                   wide(h.k[static_cast<size_t>(j) * h.ld() +
                                            static_cast<size_t>(head * dim + d)]);
                        s[static_cast<size_t>(j)] = dot;
                        top = std::max(top, dot);
                    }
                    for (double& v : s)
                        total += v = std::exp2(v - top);
                    for (int d = 0; d < dim; ++d) {
                        double sum = 0;
                        for (int j = 0; j < tokens; ++j)
                            sum += s[static_cast<size_t>(j)] / total *
                                   wide(h.v[static_cast<size_t>(j) * h.ld() +
                                            static_cast<size_t>(head * dim + d)]);
                        const double got = out[static_cast<size_t>(q) * h.ld() +
                                               static_cast<size_t>(head * dim + d)];
                        worst = std::max(worst, std::fabs(got - sum));
                    }
                }
        }
    std::printf("  attention: largest error %.2e\n", worst);
    CHECK(worst < 1e-3); // of values up to 4, which count in 4095ths of a dimension's largest
}

TEST("kernels: every isa attends alike") {
    for (const KernelTable* t : tables())
        for (int dim : {32, 64})
            for (Kind kind : kKinds)
                for (int tokens : {1, 2, 3, 5, 6, 7, 16, 31, 32, 33, 48, 100, 513, 700}) {
                    if (tokens > 100 && kind != Kind::Normal)
                        continue;
                    const Heads h =
                        heads(tokens, 2, dim, kind == Kind::Normal ? 0.5f : 0.05f, kind);
                    Rows a(tokens, 2 * dim), b(tokens, 2 * dim, *t);
                    CHECK(same_bits(run(reference(), h, 0, tokens, tokens, &a),
                                    run(*t, h, 0, tokens, tokens, &b)));
                    CHECK(a.same(b));
                }
}

TEST("kernels: attention does not depend on neighbours") {
    auto all = tables();
    all.push_back(&reference());
    for (const KernelTable* t : all) {
        const Heads h = heads(90, 2, 64, 0.4f);
        const auto alone = run(*t, h, 17, 64, 47);
        for (int step : {1, 4, 5, 6, 20})
            CHECK(same_bits(alone, run(*t, h, 17, 64, step)));
        Heads moved = h; // the same sequence elsewhere, other tokens around it
        for (auto* v : {&moved.q, &moved.k, &moved.v}) {
            std::rotate(v->begin(), v->begin() + static_cast<long>(11 * h.ld()), v->end());
        }
        const auto there = run(*t, moved, 6, 53, 47);
        CHECK(std::memcmp(alone.data() + 17 * h.ld(), there.data() + 6 * h.ld(), 47 * h.ld() * 4) ==
              0);
    }
}

TEST("kernels: attention hides no broken number") {
    auto all = tables();
    all.push_back(&reference());
    for (const KernelTable* t : all)
        for (const uint16_t broken : {uint16_t{0x7e00}, uint16_t{0x7c00}, uint16_t{0xfe01}}) {
            for (int which = 0; which < 3; ++which) {
                Heads h = heads(40, 1, 64, 0.4f);
                auto& rows = which == 0 ? h.q : which == 1 ? h.k : h.v;
                for (int i = 0; i < 40; ++i) // of each token one number
                    rows[static_cast<size_t>(i) * h.ld() + static_cast<size_t>(i)] = broken;
                const auto out = run(*t, h, 0, 40, 40);
                bool finite = true;
                for (size_t i = 0; i < 40 * h.ld(); ++i)
                    finite = finite && std::isfinite(out[i]);
                CHECK(!finite);
            }
        }
}
