// A sum of products for the small layers behind the encoder: exact enough and always in one order.
#pragma once

#include <cstddef>

namespace bge {

/// In four sums, so that they do not wait for each other; a product of floats is exact in double.
inline double dot(const float* a, const float* b, size_t count) {
    double sums[4] = {};
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (size_t lane = 0; lane < 4; ++lane)
            sums[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    for (; i < count; ++i)
        sums[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

} // namespace bge
