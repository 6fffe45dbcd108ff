// What the kernel tests share: seeded data of several kinds, and the ISAs to compare.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "../../kernels/kernels.h"
#include "../../kernels/pack.h"
#include "../check.h"

namespace kernel_test {

using namespace bge::kernels;

inline const KernelTable& reference() {
    return *table_of(Isa::Generic);
}

/// Every table of this build that this machine can run, the reference excepted; only that one which
/// BGE_M3_ISA names.
inline std::vector<const KernelTable*> tables() {
    const char* only = std::getenv("BGE_M3_ISA");
    std::vector<const KernelTable*> found;
    for (Isa isa : {Isa::Avx2, Isa::AvxVnni, Isa::Avx512Vnni, Isa::Amx, Isa::Neon, Isa::NeonI8mm})
        if (const KernelTable* t = table_of(isa);
            t && (!only || !*only || std::string(only) == t->name))
            found.push_back(t);
    return found;
}

/// The nearest float16 of a number that it can hold.
inline uint16_t half_of(double x) {
    const int exponent = x == 0 ? -14 : std::max(std::ilogb(x), -14);
    const auto steps = static_cast<int>(std::nearbyint(std::ldexp(std::fabs(x), 10 - exponent)));
    // 1024 steps are the hidden bit, so they count as one more in the exponent's field
    const int bits = (exponent + 14) * 1024 + steps;
    return static_cast<uint16_t>((std::signbit(x) ? 0x8000 : 0) | bits);
}
inline double wide(uint16_t h) {
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double size =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    return h & 0x8000 ? -size : size;
}

enum class Kind { Normal, Outliers, Extreme, Denormal, Zero };
constexpr Kind kKinds[] = {Kind::Normal, Kind::Outliers, Kind::Extreme, Kind::Denormal, Kind::Zero};

inline std::vector<float> floats(size_t n, unsigned seed, Kind kind = Kind::Normal) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> exponent(-30.0f, 30.0f);
    std::vector<float> x(n);
    for (size_t i = 0; i < n; ++i) {
        const float v = normal(random);
        switch (kind) {
        case Kind::Normal:
            x[i] = v;
            break;
        case Kind::Outliers: // a few dimensions 20-100 times the rest, as XLM-R has
            x[i] = i % 97 == 13 ? v * 60.0f : v;
            break;
        case Kind::Extreme:
            x[i] = v * std::pow(2.0f, exponent(random));
            break;
        case Kind::Denormal:
            x[i] = v * 1e-40f;
            break;
        case Kind::Zero:
            x[i] = i % 2 ? 0.0f : -0.0f;
            break;
        }
    }
    return x;
}

inline std::vector<Q8Block> weights(int n, int k, unsigned seed) {
    std::vector<Q8Block> blocks(static_cast<size_t>(n) * static_cast<size_t>(k / kBlock));
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> q(-127, 127), scale(0x1000, 0x2c00);
    for (Q8Block& b : blocks) {
        b.scale = static_cast<uint16_t>(scale(random));
        for (int8_t& v : b.q)
            v = static_cast<int8_t>(q(random));
    }
    if (blocks.size() > 2) { // what a hostile or degenerate file may hold
        blocks[0].scale = 0;
        for (int8_t& v : blocks[1].q)
            v = -128;
        blocks[2].scale = 3; // denormal float16
    }
    return blocks;
}

inline double half(uint16_t h) {
    const int e = (h >> 10) & 31, f = h & 1023;
    const double m = e ? std::ldexp(1024 + f, e - 25) : std::ldexp(f, -24);
    return h & 0x8000 ? -m : m;
}

/// Memory of quantized rows, as `table` lays them out.
struct Rows {
    std::vector<uint8_t> memory;
    Q8Rows rows;
    Rows(int m, int k, const KernelTable& table = reference())
        : memory(q8_rows_bytes(m, k) + 64), count_((m + 7) / 8 * 8),
          step_(static_cast<size_t>(table.packing.step)) {
        rows.data = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
        rows.k = k;
    }
    /// int8 number k of row m.
    int q(int m, int k) const {
        const auto i = static_cast<size_t>(k % kBlock);
        return static_cast<int8_t>(at(m, k / kBlock)[i / step_ * step_ * 8 + i % step_]);
    }
    int32_t start(int m, int b) const { return word<int32_t>(m, b, 256); }
    float scale(int m, int b) const { return word<float>(m, b, step_ == 4 ? 288 : 260); }
    /// Whether it holds the same bits, whatever their order, in rows that are not there too.
    bool same(const Rows& other) const {
        for (int m = 0; m < count_; ++m)
            for (int b = 0; b < rows.k / kBlock; ++b) {
                const float mine = scale(m, b), its = other.scale(m, b);
                if (start(m, b) != other.start(m, b) || std::memcmp(&mine, &its, 4) != 0)
                    return false;
                for (int k = b * kBlock; k < (b + 1) * kBlock; ++k)
                    if (q(m, k) != other.q(m, k))
                        return false;
            }
        return true;
    }

  private:
    int count_;
    size_t step_;
    const uint8_t* at(int m, int b) const {
        return rows.data + static_cast<size_t>(m / 8) * q8_tile_bytes(rows.k) +
               static_cast<size_t>(b) * 320 + static_cast<size_t>(m % 8) * step_;
    }
    template <class T> T word(int m, int b, size_t offset) const {
        T x;
        std::memcpy(&x, at(m, b) + offset, 4);
        return x;
    }
};
static_assert(kTileRows == 8 && kQ8TileBlockBytes == 320, "what Rows reads");

template <class T> bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

} // namespace kernel_test
