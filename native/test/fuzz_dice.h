// Chance for the fuzzers: the same numbers on every machine, with a taste for the awkward ones.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace bge::test {

/// SplitMix64.
class Dice {
  public:
    explicit Dice(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
    }
    /// 0 .. limit - 1
    size_t below(size_t limit) { return static_cast<size_t>(next() % limit); }
    bool chance(int percent) { return below(100) < static_cast<size_t>(percent); }
    template <class T> T pick(const std::vector<T>& from) { return from[below(from.size())]; }
    template <class T> T& pick_from(std::vector<T>& from) { return from[below(from.size())]; }

    uint64_t number() {
        static const std::vector<uint64_t> interesting = {0,
                                                          1,
                                                          2,
                                                          3,
                                                          4,
                                                          7,
                                                          8,
                                                          16,
                                                          31,
                                                          32,
                                                          33,
                                                          63,
                                                          64,
                                                          65,
                                                          127,
                                                          128,
                                                          255,
                                                          256,
                                                          511,
                                                          512,
                                                          513,
                                                          999,
                                                          1000,
                                                          1001,
                                                          4096,
                                                          8192,
                                                          65535,
                                                          65536,
                                                          250002,
                                                          0x7fffffff,
                                                          0x80000000,
                                                          0xfffffffe,
                                                          0xffffffff,
                                                          0x100000000,
                                                          0x7fffffffffffffff,
                                                          0x8000000000000000,
                                                          0xffffffffffffffff,
                                                          0xffffffffffffffe0};
        return chance(80) ? pick(interesting) : next() >> below(64);
    }
    float real() {
        static const std::vector<float> interesting = {0.f,
                                                       -0.f,
                                                       1.f,
                                                       -1.f,
                                                       1e-12f,
                                                       1e30f,
                                                       1e-45f,
                                                       std::numeric_limits<float>::infinity(),
                                                       -std::numeric_limits<float>::infinity(),
                                                       std::numeric_limits<float>::quiet_NaN()};
        return pick(interesting);
    }

  private:
    uint64_t state_;
};

} // namespace bge::test
