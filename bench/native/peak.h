// The most integer multiply-accumulates a core can do: the dot-product instruction on registers.
#pragma once

#include <cstdint>

/// GMAC/s of one thread, by its processor time, in the best of a few short runs. The instruction is
/// the widest one of this processor: vpdpbusd zmm/ymm, sdot, or vpmaddubsw's replacement on AVX2.
double peak_gmacs();
/// The same of `threads` threads together, by the clock on the wall.
double peak_gmacs(int threads);
