#include "recorder.h"

#include <cstring>

namespace bge::kernels {
namespace {

const KernelTable* g_kernels = nullptr;
WeightOf g_weight_of = nullptr;

std::atomic<int> g_nodes_own{0}, g_nodes_total{0};
std::atomic<bool> g_fused{false};

} // namespace

void set_planning(const KernelTable* kernels, WeightOf weight_of) {
    g_kernels = kernels;
    g_weight_of = weight_of;
}

GraphRun& graph_run() {
    static thread_local GraphRun run;
    return run;
}

void GraphRun::record(ggml_tensor* node, int threads) {
    // A graph that was planned and never computed ends where one of its nodes comes again.
    if (started_.load(std::memory_order_acquire) || (!nodes_.empty() && nodes_.front() == node)) {
        started_.store(false, std::memory_order_relaxed);
        nodes_.clear();
    }
    threads_ = threads;
    const size_t number = nodes_.size();
    if (number == refs_.size())
        refs_.push_back({this, static_cast<int>(number)});
    nodes_.push_back(node);
    node->extra = &refs_[number];
}

void GraphRun::start() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (started_.load(std::memory_order_relaxed))
        return;
    plan_ = make_plan(nodes_, threads_, *g_kernels, g_weight_of);
    usable_ = runner_.prepare(*plan_, scratch_);
    g_nodes_own.store(plan_->nodes_own, std::memory_order_relaxed);
    g_nodes_total.store(plan_->nodes_total, std::memory_order_relaxed);
    started_.store(true, std::memory_order_release);
}

bool GraphRun::run(int number, ggml_tensor* node, const Team& team) {
    if (!started_.load(std::memory_order_acquire))
        start();
    if (usable_) {
        const bool ours = runner_.run(number, team);
        if (ours && team.ith == 0 && node->op == GGML_OP_FLASH_ATTN_EXT)
            g_fused.store(true, std::memory_order_relaxed);
        return ours;
    }
    // No memory for the plan. Packed weights mean nothing to ggml: say so with NaN, which the
    // engine reports; everything else is ggml's.
    if (node->op != GGML_OP_MUL_MAT || !g_weight_of(node->src[0]))
        return false;
    if (team.ith == 0)
        std::memset(node->data, 0xff, ggml_nbytes(node));
    return true;
}

GraphRun::Last GraphRun::last() {
    return {g_nodes_own.load(std::memory_order_relaxed),
            g_nodes_total.load(std::memory_order_relaxed), g_fused.load(std::memory_order_relaxed)};
}

} // namespace bge::kernels
