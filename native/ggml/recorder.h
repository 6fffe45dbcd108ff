// Turns ggml's habit of asking about every node, once while a graph is planned and once per thread
// while it is computed, into a plan per computation.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "runner.h"

namespace bge::kernels {

class GraphRun;

/// What a node's `extra` points to from planning to the end of the computation.
struct NodeRef {
    GraphRun* run = nullptr;
    int number = 0;
};

/// One computation of one graph: recorded on the thread that plans, used by all that compute.
class GraphRun {
  public:
    /// Planning pass. Starts afresh when the recorded graph has been computed meanwhile.
    void record(ggml_tensor* node, int threads);
    /// Whether this node is ours, executed. Called by every thread of the team for every node.
    bool run(int number, ggml_tensor* node, const Team& team);
    void release() { scratch_.release(); }

    struct Last {
        int nodes_own = 0, nodes_total = 0;
        bool attention_fused = false;
    };
    /// Of the last computation in the process.
    static Last last();

  private:
    void start();

    std::vector<ggml_tensor*> nodes_;
    std::deque<NodeRef> refs_; // by number; as many as any graph had
    int threads_ = 1;
    std::unique_ptr<Plan> plan_;
    Runner runner_;
    Scratch scratch_;
    std::mutex mutex_;
    std::atomic<bool> started_{false};
    bool usable_ = false;
};

/// The calling thread's.
GraphRun& graph_run();

/// Set once by the hook.
void set_planning(const KernelTable* kernels, WeightOf weight_of);

} // namespace bge::kernels
