// Executes a plan's steps on the threads that ggml brings.
#pragma once

#include <cstddef>
#include <memory>

#include "plan.h"

namespace bge::kernels {

/// One thread of a team that runs the same node at the same time.
struct Team {
    int ith = 0, nth = 1;
    void (*barrier)(void*) = nullptr;
    void* context = nullptr;
    void wait() const {
        if (nth > 1)
            barrier(context);
    }
};

/// 64-byte aligned memory that grows and never shrinks until it is released.
class Scratch {
  public:
    Scratch() = default;
    ~Scratch() { release(); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    /// At least `bytes`, contents undefined; null when there is no memory.
    uint8_t* reserve(size_t bytes);
    void release();

  private:
    uint8_t* data_ = nullptr;
    size_t bytes_ = 0;
};

/// A plan with its memory, for one computation.
class Runner {
  public:
    /// Takes the memory from `scratch`. False when there is none; then the plan must not be used.
    bool prepare(Plan& plan, Scratch& scratch);
    /// Executes what the plan says for node number `node`. False: it is ggml's.
    /// Called by every thread of the team, in the graph's order.
    bool run(int node, const Team& team);

  private:
    /// Node number `node`, which belongs to `step`; as run().
    bool at(std::monostate, int node, const Team& team);
    bool at(LinearStep* step, int node, const Team& team);
    bool at(NormStep* step, int node, const Team& team);
    bool at(AttentionStep* step, int node, const Team& team);
    bool at(CastStep step, int node, const Team& team);

    void linear(LinearStep& step, const Team& team);
    void norm(NormStep& step, const Team& team);
    void project(AttentionStep& step, const Team& team);
    void attend(AttentionStep& step, const Team& team);
    void check_mask(Mask& mask, int tokens, const Team& team);
    Q8Rows slot(Slot which, int k) const;
    /// One thread's scales of the rows that its tasks take, for one multiply.
    class RowScales {
      public:
        RowScales(const KernelTable* kernels, const Q8Rows& rows, uint8_t* memory)
            : kernels_(kernels), rows_(rows), memory_(memory) {}
        /// What gemm_q8() takes for weights packed so, null under Quant::Block; successive tasks
        /// often take the same rows.
        const uint8_t* of(Quant quant, int m0, int m1);

      private:
        const KernelTable* kernels_;
        Q8Rows rows_;
        uint8_t* memory_;
        int held_ = -1;
    };
    RowScales scales_of(const Q8Rows& rows, const Team& team) const;
    /// The step's input as quantized rows; quantizes it first if nobody has.
    Q8Rows input_rows(const LinearStep& step, WorkQueue& queue, const Team& team);

    Plan* plan_ = nullptr;
    uint8_t* slots_[kSlots] = {};
    uint16_t* qkv_ = nullptr;
    float* bounce_ = nullptr;
    uint8_t *attention_ = nullptr, *scales_ = nullptr; // per thread
};

} // namespace bge::kernels
