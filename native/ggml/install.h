// What the engine calls. Everything else in this folder is behind it.
#pragma once

#include <cstddef>
#include <string>

#include "../kernels/kernels.h"

namespace bge::kernels {

struct Options {
    /// How the scales of quantized blocks meet. BGE_M3_QUANT (block, fixed) overrides it.
    Quant quant = Quant::Block;
    /// False: llama.cpp runs on ggml's own kernels. BGE_M3_KERNELS=off overrides it.
    bool enabled = true;
    /// The ISA by name, where the machine has it; else the best. BGE_M3_ISA overrides it.
    const char* isa = nullptr;
};

/// Teaches ggml's CPU backend our kernels: call before the first model of the process is loaded
/// (later models are unaffected if it comes too late). Idempotent and thread-safe; the first call's
/// options hold. Returns false, and changes nothing, when kernels are switched off or the machine
/// is below every ISA's floor.
bool install(const Options& options = {});

/// The ISA in use, e.g. "avx512vnni"; "ggml" when not installed.
const char* isa();
/// "block" or "fixed", what install() chose; "ggml" when not installed.
const char* quant_name();

/// What runs on our kernels, for `info`.
struct Coverage {
    size_t weights = 0;           // tensors packed now, in all models
    size_t weight_bytes = 0;      // their packed size
    int nodes_own = 0;            // of the graph that was computed last in the process
    int nodes_total = 0;          // views not counted
    bool attention_fused = false; // false: the mask was not block-diagonal, or no attention matched
};
Coverage coverage();

/// Frees the calling thread's scratch memory (it lives with the thread that calls llama_encode and
/// grows to the largest micro-batch). Call it when a context is freed but its thread lives on.
void release_scratch();

} // namespace bge::kernels
