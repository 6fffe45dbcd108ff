// Collects one translation unit's instantiations into its table. After a vec_*-inl.h and a
// dot*-inl.h.
#pragma once

#include "../kernels.h"
#include "attention-inl.h"
#include "gelu-inl.h"
#include "gemm-inl.h"
#include "norm-inl.h"
#include "quantize-inl.h"

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
