// The one hot loop of the reference: rows times a matrix, in float64.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace bge::reference {

/// A weight matrix [outputs x inputs], laid out so that a row's sums run over inputs in order.
class Matrix {
  public:
    Matrix() = default;
    /// `weights`: row-major [outputs][inputs].
    Matrix(const std::vector<double>& weights, size_t outputs, size_t inputs);

    size_t inputs() const { return inputs_; }
    size_t outputs() const { return outputs_; }

    /// out[r][o] = bias[o] + sum over i of in[r][i] * weights[o][i], i ascending, for `rows` rows.
    /// `bias` may be null.
    void multiply(const double* in, size_t rows, const double* bias, double* out) const;

  private:
    size_t inputs_ = 0, outputs_ = 0;
    std::vector<double> panels_; ///< groups of kPanel outputs: [group][input][kPanel], zero-padded
};

/// Calls body(begin, end) on parts of 0..count from `threads` threads.
void parallel_for(size_t count, int threads, const std::function<void(size_t, size_t)>& body);

} // namespace bge::reference
