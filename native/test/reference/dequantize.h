// Tensor bytes to numbers, written from the formats' definitions and sharing no code with the
// engine or ggml.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bge::reference {

/// Decodes `count` elements of ggml type number `type` (a whole number of blocks). Exact: float64
/// holds every product of the formats' factors. Throws std::invalid_argument for a type it does
/// not know; it knows F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K.
void dequantize(uint32_t type, const uint8_t* bytes, size_t count, double* out);

/// IEEE binary16 bits as a number.
double half_to_double(uint16_t bits);

} // namespace bge::reference
