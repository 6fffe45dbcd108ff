// Kernels one by one, in GMAC/s of each thread's own processor time, beside a register-only loop of
// the dot-product instruction measured in between (so load by others and speed modes cancel out in
// the ratio). Threads do the same at the same time, each on its own data; what is printed is all of
// them together.
//
//   micro [--isa NAME] [--seconds S] [--threads N] [--filter PART-OF-A-NAME]
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <time.h>
#endif

#include "../../native/kernels/pack.h"
#include "peak.h"

namespace {

using namespace bge::kernels;

double now() {
#ifdef CLOCK_THREAD_CPUTIME_ID
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
#else
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
#endif
}

/// What the threads share.
struct Team {
    size_t size = 1;
    double seconds = 0.3;
    std::string filter;
    std::vector<double> rates, peaks; // of each thread
    int printed = 0;

    void wait() {
        std::unique_lock<std::mutex> lock(mutex_);
        const size_t round = round_;
        if (++waiting_ == size) {
            waiting_ = 0;
            ++round_;
            all_here_.notify_all();
        }
        all_here_.wait(lock, [&] { return round_ != round; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable all_here_;
    size_t waiting_ = 0, round_ = 0;
};

/// One thread of the team.
struct Lane {
    Team& team;
    size_t number;

    bool wanted(const std::string& name) const {
        return name.find(team.filter) != std::string::npos;
    }

    /// Best rate (work / seconds) of runs that last the team's `seconds` together; the peak is
    /// measured in between.
    template <class Fn>
    void measure(const std::string& name, double work, Fn run, const char* unit) const {
        double best = 1e30, best_peak = 0, spent = 0;
        run();
        team.wait();
        for (int i = 0; spent < team.seconds || i < 3; ++i) {
            if (i % 8 == 0)
                best_peak = std::max(best_peak, peak_gmacs());
            const double start = now();
            run();
            const double t = now() - start;
            best = std::min(best, t);
            spent += t;
        }
        team.rates[number] = work / best * 1e-9;
        team.peaks[number] = best_peak;
        team.wait();
        if (number != 0)
            return;
        ++team.printed;
        const auto sum = [](const std::vector<double>& x) {
            return std::accumulate(x.begin(), x.end(), 0.0);
        };
        const double rate = sum(team.rates), peak = sum(team.peaks);
        std::printf("%-34s %9.2f %s", name.c_str(), rate, unit);
        if (std::strcmp(unit, "GMAC/s") == 0)
            std::printf("  %5.1f %% of %.0f", 100 * rate / peak, peak);
        else
            std::printf("  (%.1f us)", best * 1e6);
        std::printf("\n");
        std::fflush(stdout);
    }
};

struct Aligned {
    std::vector<uint8_t> memory;
    explicit Aligned(size_t n) : memory(n + 64) {}
    uint8_t* data() {
        return memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    }
};

void run(const KernelTable* t, const Lane& lane) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> x(512 * 4096);
    for (float& v : x)
        v = normal(random);
    struct Size {
        int m, n, k;
    };
    for (const auto& [m, n, k] :
         {Size{510, 1024, 1024}, Size{510, 4096, 1024}, Size{510, 1024, 4096},
          Size{128, 1024, 1024}, Size{16, 1024, 1024}, Size{6, 1024, 1024}, Size{1, 1024, 1024}})
        for (Quant quant : {Quant::Fixed, Quant::Block}) {
            const std::string name =
                "q8 " + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) +
                (quant == Quant::Block ? " block" : " fixed") + (n == 4096 ? " gelu->q8" : "");
            if (!lane.wanted(name))
                continue;
            std::vector<Q8Block> w(static_cast<size_t>(n) * static_cast<size_t>(k / kBlock));
            for (Q8Block& b : w) {
                b.scale = 0x2000;
                for (int8_t& q : b.q)
                    q = static_cast<int8_t>(random() % 255 - 127);
            }
            Aligned packed(q8_packed_bytes(n, k, quant)), rows(q8_rows_bytes(m, k)),
                out8(q8_rows_bytes(m, n));
            Aligned scales(fixed_scales_bytes(96, k));
            pack_q8(w.data(), n, k, quant, t->packing, packed.data());
            std::vector<float> bias(static_cast<size_t>(n)),
                out(static_cast<size_t>(m) * static_cast<size_t>(n));
            GemmQ8 g;
            g.rows = {rows.data(), k};
            g.quant = quant;
            g.weights = packed.data();
            g.scales = scales.data();
            g.out.bias = bias.data();
            g.out.f32 = out.data();
            g.out.ld = static_cast<size_t>(n);
            g.out.q8 = {out8.data(), n};
            if (n == 4096)
                g.out.kind = Out::GeluQ8;
            t->quantize_rows(x.data(), static_cast<size_t>(k), 0, m, g.rows);
            lane.measure(
                name, static_cast<double>(m) * n * k,
                [&, m = m, n = n] {
                    for (int m0 = 0; m0 < m; m0 += 96) {
                        if (quant == Quant::Fixed)
                            t->fix_scales(g.rows, m0, std::min(m, m0 + 96), scales.data());
                        t->gemm_q8(g, m0, std::min(m, m0 + 96), 0, n / kPanel);
                    }
                },
                "GMAC/s");
        }
    for (FloatType type : {FloatType::F16, FloatType::F32}) {
        const std::string name = type == FloatType::F16 ? "f16 96x1024x1024" : "f32 96x1024x1024";
        if (!lane.wanted(name))
            continue;
        Aligned packed(float_packed_bytes(1024, 1024, type));
        std::vector<float> out(96 * 1024);
        GemmFloat g;
        g.rows = x.data();
        g.ld = 1024;
        g.k = 1024;
        g.type = type;
        g.weights = packed.data();
        g.out.f32 = out.data();
        g.out.ld = 1024;
        lane.measure(
            name, 96.0 * 1024 * 1024, [&] { t->gemm_float(g, 0, 96, 0, 32); }, "GMAC/s");
    }
    for (int tokens : {16, 128, 512, 2048}) {
        const std::string name = "attention " + std::to_string(tokens);
        if (!lane.wanted(name))
            continue;
        std::vector<uint16_t> qkv(static_cast<size_t>(tokens) * 3104);
        for (uint16_t& v : qkv) {
            // a float16 between 0.125 and 1, of either sign
            const unsigned bits = random();
            v = static_cast<uint16_t>((bits & 0x8000u) | (12u + bits % 3u) << 10 |
                                      (bits >> 6 & 1023u));
        }
        Aligned scratch(attention_scratch_bytes(tokens, 64)), rows(q8_rows_bytes(tokens, 1024));
        Attention a;
        a.q = qkv.data();
        a.k = qkv.data() + 1024;
        a.v = qkv.data() + 2048;
        a.ld = 3104;
        a.head_dim = 64;
        a.q8 = {rows.data(), 1024};
        lane.measure(
            name, 2.0 * tokens * tokens * 1024,
            [&] {
                for (int h = 0; h < 16; ++h) {
                    t->attention_pack(a, 0, tokens, h, scratch.data());
                    t->attention(a, 0, tokens, h, 0, tokens, scratch.data());
                }
            },
            "GMAC/s");
        lane.measure(
            "  of which packing", tokens * 1024.0,
            [&] {
                for (int h = 0; h < 16; ++h)
                    t->attention_pack(a, 0, tokens, h, scratch.data());
            },
            "Gkey/s");
    }
    {
        std::vector<float> y(512 * 1024), w(1024, 1.0f), b(1024);
        Aligned rows(q8_rows_bytes(512, 1024));
        NormRows g;
        g.x = x.data();
        g.residual = x.data() + 512 * 1024;
        g.weight = w.data();
        g.bias = b.data();
        g.eps = 1e-5f;
        g.n = 1024;
        g.y = y.data();
        g.ldx = g.ld_residual = g.ldy = 1024;
        g.q8 = {rows.data(), 1024};
        const std::string norm = "norm+residual+quantize 512x1024", gelu = "gelu 512x1024";
        if (lane.wanted(norm))
            lane.measure(
                norm, 512 * 1024.0, [&] { t->norm_rows(g, 0, 512); }, "Gelem/s");
        if (lane.wanted(gelu))
            lane.measure(
                gelu, 512 * 1024.0, [&] { t->gelu(x.data(), y.data(), 512 * 1024); }, "Gelem/s");
    }
}

} // namespace

int main(int argc, char** argv) {
    Team team;
    const KernelTable* t = table();
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string option = argv[i], value = argv[i + 1];
        if (option == "--seconds")
            team.seconds = std::atof(argv[i + 1]);
        else if (option == "--threads")
            team.size = static_cast<size_t>(std::max(1, std::atoi(argv[i + 1])));
        else if (option == "--filter")
            team.filter = value;
        else if (option == "--isa") {
            t = nullptr;
            for (int isa = 0; isa <= static_cast<int>(Isa::NeonI8mm); ++isa)
                if (value == isa_name(static_cast<Isa>(isa)))
                    t = table_of(static_cast<Isa>(isa));
        }
    }
    if (!t) {
        std::fprintf(stderr, "this machine does not run that ISA\n");
        return 2;
    }
    std::printf("%s, %zu threads: all of them together, and their share of the peak\n", t->name,
                team.size);
    team.rates.resize(team.size);
    team.peaks.resize(team.size);
    std::vector<std::thread> others;
    for (size_t i = 1; i < team.size; ++i)
        others.emplace_back([&, i] { run(t, {team, i}); });
    run(t, {team, 0});
    for (std::thread& other : others)
        other.join();
    if (team.printed == 0)
        std::fprintf(stderr, "no kernel has '%s' in its name\n", team.filter.c_str());
    return team.printed == 0;
}
