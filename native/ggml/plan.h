// What the planner hands to the runner: steps, each one kernel call for several graph nodes.
//
// Nothing here includes ggml's private headers; ggml.h is public. A plan belongs to one computation
// of one graph: the nodes and the data they point to are valid exactly as long.
#pragma once

#include <ggml.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <variant>
#include <vector>

#include "../kernels/kernels.h"

namespace bge::kernels {

/// Rows of a multiply that are taken together: their activations stay in the second-level cache.
constexpr int kRowsPerTask = 96;

/// A packed weight matrix: n output channels of k.
struct Weight {
    const uint8_t* packed = nullptr;
    int n = 0, k = 0;
    bool q8 = true;             // else `type`
    Quant quant = Quant::Block; // how q8 weights are packed
    FloatType type = FloatType::F16;
};
/// The packed form of a tensor, or null when it is not ours.
using WeightOf = const Weight* (*)(const ggml_tensor*);

/// Where quantized activations wait for their consumer. One slot per kind of producer, reused from
/// layer to layer.
enum class Slot { None = -1, Norm = 0, Attention = 1, Gelu = 2, Own = 3 };
constexpr int kSlots = 4;

/// Progress through one phase's tasks: every thread owns a contiguous share and then helps others.
class WorkQueue {
  public:
    struct alignas(64) Counter {
        std::atomic<int> value{0};
    };
    WorkQueue() = default;
    /// @param counters one per thread, zero; not owned
    explicit WorkQueue(Counter* counters) : next_(counters) {}
    /// Calls work(i) for tasks [0, n), each exactly once over all threads.
    template <class Fn> void run(int ith, int nth, int n, Fn work) {
        for (int v = 0; v < nth; ++v) {
            const int owner = (ith + v) % nth;
            const int begin = share(n, owner, nth), count = share(n, owner + 1, nth) - begin;
            std::atomic<int>& next = next_[owner].value;
            for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;)
                work(begin + i);
        }
    }

    /// The task that a thread starts with.
    static int first_task(int n, int ith, int nth) { return share(n, ith, nth); }
    /// Whether whoever does task i goes on with i + 1, unless another helped himself to it.
    static bool goes_on(int i, int n, int nth) {
        for (int t = 1; t <= nth; ++t)
            if (share(n, t, nth) == i + 1)
                return false;
        return true;
    }

  private:
    static int share(int n, int ith, int nth) {
        return static_cast<int>(static_cast<int64_t>(n) * ith / nth);
    }
    Counter* next_ = nullptr;
};

struct AttentionStep;
struct LinearStep;

/// The multiply after one: its first weights are fetched while the one before still computes.
struct NextMultiply {
    const LinearStep* linear = nullptr;
    const AttentionStep* attention = nullptr;
};

/// MUL_MAT [+ bias] [+ GELU].
struct LinearStep {
    const Weight* weight = nullptr;
    const ggml_tensor* input = nullptr;
    const ggml_tensor* bias = nullptr;
    const ggml_tensor* out = nullptr;
    bool gelu = false;
    int first = 0, last = 0;      // node numbers
    Slot input_slot = Slot::None; // where the quantized input waits, if a producer of ours made it
    bool emit_q8 = false;         // leave only the quantized result, in Slot::Gelu
    AttentionStep* attention = nullptr;      // runs there unless the mask is not one we know
    const AttentionStep* producer = nullptr; // of input_slot, when that is conditional
    NextMultiply next;
    WorkQueue quantize, multiply;
};

/// [residual +] NORM * weight + bias.
struct NormStep {
    const ggml_tensor *x = nullptr, *residual = nullptr, *weight = nullptr, *bias = nullptr;
    const ggml_tensor* out = nullptr;
    float eps = 0;
    int first = 0, last = 0;
    bool emit_q8 = false; // besides the float result, in Slot::Norm
    WorkQueue rows;
};

/// The rows of one sequence in the micro-batch.
struct Sequence {
    int begin, end;
};
/// What a mask says: found out once per computation, by all threads together.
struct Mask {
    const ggml_tensor* tensor = nullptr; // null: no mask, everything sees everything
    bool block_diagonal = false;
    std::vector<Sequence> ranges;    // per row, as read
    std::vector<Sequence> sequences; // the blocks
    std::atomic<bool> broken{false};
};

/// Q, K and V's multiplies, the casts and FLASH_ATTN_EXT.
struct AttentionStep {
    struct Part {
        const LinearStep* linear = nullptr;
        int first_panel = 0, panels = 0;
    };
    Part parts[3]; // q, k, v
    const ggml_tensor* out = nullptr;
    Mask* mask = nullptr;
    bool checks_mask = false; // the first step that needs this mask
    int heads = 0, head_dim = 0, tokens = 0;
    float scale = 0;
    int first = 0, last = 0;
    bool emit_q8 = false, emit_f32 = true; // in Slot::Attention; into the tensor
    NextMultiply next;
    WorkQueue quantize, multiply, attend;
    bool fused() const { return mask->block_diagonal; }
};

/// A cast of keys or values: nothing to do once the attention step has its own.
struct CastStep {
    const AttentionStep* attention = nullptr;
};

/// The step that a node belongs to, in its plan; none: the node is ggml's.
using NodeAction = std::variant<std::monostate, LinearStep*, NormStep*, AttentionStep*, CastStep>;

struct Plan {
    const KernelTable* kernels = nullptr;
    int threads = 1;
    std::vector<NodeAction> actions; // per node
    std::vector<LinearStep> linears;
    std::vector<NormStep> norms;
    std::vector<AttentionStep> attentions;
    std::vector<WorkQueue::Counter> counters; // of all steps
    std::deque<Mask> masks;
    // Scratch, per plan: quantized rows, float16 q/k/v, packed keys and values.
    size_t slot_bytes[kSlots] = {};
    size_t qkv_bytes = 0, bounce_bytes = 0;
    size_t attention_bytes = 0, scale_bytes = 0; // per thread
    int nodes_total = 0, nodes_own = 0;          // without views

    size_t scratch_bytes() const;
};

/// Finds the steps. Nodes that match nothing stay ggml's.
std::unique_ptr<Plan> make_plan(const std::vector<ggml_tensor*>& nodes, int threads,
                                const KernelTable& kernels, WeightOf weight_of);

/// Elements from token to token in the float16 q/k/v rows: padded off the powers of two.
constexpr size_t qkv_row(int width) {
    return 3 * static_cast<size_t>(width) + 32;
}

} // namespace bge::kernels
