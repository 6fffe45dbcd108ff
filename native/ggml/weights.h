// Which weight types the kernels take, and in which packed form.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <vector>

#include "plan.h"

namespace bge::kernels {

/// Fills `weight` (not `packed`) when a matrix of this type and shape can be packed.
/// Q8_0, Q4_0 and Q5_0 keep their values (scales as Quant says), other quantized types are rounded
/// to Q8_0. F16, BF16 and F32 keep their type and run on float kernels.
bool packable(ggml_type type, int64_t k, int64_t n, Quant wanted, Weight* weight);
size_t packed_bytes(const Weight& weight);
/// Packs the tensor's data (as in the file) into `out`.
void pack_weight(ggml_type type, const void* data, const Weight& weight, Packing packing,
                 uint8_t* out);
/// `count` values of a tensor's data as in the file, whole blocks of them; empty for a type that
/// holds no weights.
std::vector<float> to_floats(ggml_type type, const void* data, size_t count);

} // namespace bge::kernels
