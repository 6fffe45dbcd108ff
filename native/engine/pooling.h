// From the states of a text's tokens to one vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model_file/model_check.h"

namespace bge {

/// One text's pooled state from its token states (length x dim, row after row): dim numbers for
/// each of `modes`, one after the other. Sums are in double, over rows in order. Definitions:
/// sentence-transformers 6.2, Pooling.forward; with n tokens, rows counted from 1:
///   mean sum(h) / n, mean_sqrt_len_tokens sum(h) / sqrt(n), weightedmean sum(i h_i) / sum(i).
std::vector<float> pool_states(const float* states, uint32_t length, size_t dim,
                               const std::vector<Pooling>& modes);

} // namespace bge
