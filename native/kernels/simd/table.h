// Collects one translation unit's instantiations into its table. After a vec_*.h and a dot*.h.
#pragma once

#include "../kernels.h"
#include "attention.h"
#include "gelu.h"
#include "gemm.h"
#include "norm.h"
#include "quantize.h"

namespace bge::kernels {
namespace {

constexpr KernelTable make_table(Isa isa, const char* name) {
    return {isa,           name,       {kUnsignedWeights, kStep},
            quantize_rows, fix_scales, gemm_q8,
            gemm_float,    norm_rows,  attention_pack,
            attention,     gelu,       dot_rows,
            normalize_rows};
}

} // namespace
} // namespace bge::kernels
