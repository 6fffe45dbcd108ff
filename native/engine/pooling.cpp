#include "pooling.h"

#include <algorithm>
#include <cmath>

namespace bge {

namespace {

/// The largest of each column; NaN where there is one.
void largest(const float* states, uint32_t length, size_t dim, float* out) {
    std::copy(states, states + dim, out);
    for (uint32_t row = 1; row < length; ++row) {
        for (size_t i = 0; i < dim; ++i) {
            const float value = states[row * dim + i];
            if (value > out[i] || std::isnan(value))
                out[i] = value;
        }
    }
}

/// sum over rows of weight(row) * state, divided by `divisor`.
template <class Weight>
void weighted_sum(const float* states, uint32_t length, size_t dim, Weight weight, double divisor,
                  float* out) {
    std::vector<double> sum(dim, 0.0);
    for (uint32_t row = 0; row < length; ++row) {
        const double w = weight(row);
        for (size_t i = 0; i < dim; ++i)
            sum[i] += w * static_cast<double>(states[row * dim + i]);
    }
    for (size_t i = 0; i < dim; ++i)
        out[i] = static_cast<float>(sum[i] / divisor);
}

void pool(const float* states, uint32_t length, size_t dim, Pooling mode, float* out) {
    const double n = length;
    const auto once = [](uint32_t) { return 1.0; };
    const auto place = [](uint32_t row) { return row + 1.0; };
    switch (mode) {
    case Pooling::Max:
        return largest(states, length, dim, out);
    case Pooling::Mean:
        return weighted_sum(states, length, dim, once, n, out);
    case Pooling::MeanSqrtLen:
        return weighted_sum(states, length, dim, once, std::sqrt(n), out);
    case Pooling::WeightedMean:
        return weighted_sum(states, length, dim, place, n * (n + 1) / 2, out);
    case Pooling::LastToken:
        std::copy_n(states + (length - 1) * dim, dim, out);
        return;
    case Pooling::Cls:
    case Pooling::Rank:
        std::copy_n(states, dim, out);
        return;
    }
}

} // namespace

std::vector<float> pool_states(const float* states, uint32_t length, size_t dim,
                               const std::vector<Pooling>& modes) {
    std::vector<float> out(modes.size() * dim);
    for (size_t i = 0; i < modes.size(); ++i)
        pool(states, length, dim, modes[i], out.data() + i * dim);
    return out;
}

} // namespace bge
