#include "amx_choice.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <random>
#include <vector>

#include "pack.h"

namespace bge::kernels {
namespace {

constexpr int kRows = 96, kChannels = 128, kDepth = 1024, kRounds = 5;

/// Memory that starts at a cache line.
class Aligned {
  public:
    explicit Aligned(size_t bytes) : memory_(bytes + 64) {}
    uint8_t* data() {
        return memory_.data() + (64 - reinterpret_cast<uintptr_t>(memory_.data()) % 64) % 64;
    }

  private:
    std::vector<uint8_t> memory_;
};

/// One multiply, ready to run by one table.
class Trial {
  public:
    Trial(const KernelTable& table, Quant quant, const std::vector<float>& x,
          const std::vector<Q8Block>& w)
        : table_(table), rows_(q8_rows_bytes(kRows, kDepth)),
          weights_(q8_packed_bytes(kChannels, kDepth, quant)),
          scales_(fixed_scales_bytes(kRows, kDepth)), out_(static_cast<size_t>(kRows) * kChannels) {
        g_.rows = {rows_.data(), kDepth};
        g_.quant = quant;
        table.quantize_rows(x.data(), kDepth, 0, kRows, g_.rows);
        pack_q8(w.data(), kChannels, kDepth, quant, table.packing, weights_.data());
        g_.weights = weights_.data();
        if (quant == Quant::Fixed)
            table.fix_scales(g_.rows, 0, kRows, scales_.data());
        g_.scales = scales_.data();
        g_.out.f32 = out_.data();
        g_.out.ld = kChannels;
    }
    /// Seconds, the best of all rounds.
    double best() const { return best_; }
    void run() {
        using Clock = std::chrono::steady_clock;
        const auto start = Clock::now();
        table_.gemm_q8(g_, 0, kRows, 0, kChannels / kPanel);
        best_ = std::min(best_, std::chrono::duration<double>(Clock::now() - start).count());
    }
    bool same(const Trial& other) const {
        return std::memcmp(out_.data(), other.out_.data(), out_.size() * sizeof(float)) == 0;
    }

  private:
    const KernelTable& table_;
    Aligned rows_, weights_, scales_;
    std::vector<float> out_;
    GemmQ8 g_;
    double best_ = 1e9;
};

} // namespace

bool wins(const KernelTable& fast, const KernelTable& safe) try {
    std::mt19937 random(1);
    const auto number = [&] { return static_cast<float>(random() % 2001) * 0.001f - 1.0f; };
    std::vector<float> x(static_cast<size_t>(kRows) * kDepth), row(kDepth);
    std::generate(x.begin(), x.end(), number);
    std::vector<Q8Block> w(static_cast<size_t>(kChannels) * (kDepth / kBlock));
    for (size_t at = 0; at < w.size(); at += kDepth / kBlock) {
        std::generate(row.begin(), row.end(), number);
        quantize_q8(row.data(), kDepth, w.data() + at);
    }
    for (Quant quant : {Quant::Block, Quant::Fixed}) {
        Trial a(fast, quant, x, w), b(safe, quant, x, w);
        for (int i = 0; i < kRounds; ++i) {
            a.run();
            b.run();
        }
        if (!a.same(b) || a.best() * 1.05 > b.best())
            return false;
    }
    return true;
} catch (const std::bad_alloc&) {
    return false;
}

} // namespace bge::kernels
