// The only file that knows ggml's inside: an extra buffer type at the front of the CPU backend's
// list. llama.cpp gives it the weights it accepts (they are repacked while they load); ggml asks it
// about every node of every graph, which is how the planner sees graphs and the runner gets to run.
#include "install.h"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>

#include "ggml-backend-impl.h"
#include "ggml-cpu-impl.h"
#include "ggml-cpu.h"
#include "traits.h"

#include "memory.h"
#include "recorder.h"
#include "weights.h"

namespace bge::kernels {
namespace {

struct State {
    const KernelTable* kernels = nullptr;
    Quant quant = Quant::Block;
    std::atomic<size_t> weights{0}, weight_bytes{0};
};
State& state() {
    static State s;
    return s;
}

// --- the buffer that holds packed weights ---

struct WeightBuffer {
    Pages pages;
    std::deque<Weight> weights;
    size_t counted_bytes = 0;
};

WeightBuffer& of(ggml_backend_buffer_t buffer) {
    return *static_cast<WeightBuffer*>(buffer->context);
}

void free_buffer(ggml_backend_buffer_t buffer) {
    WeightBuffer& b = of(buffer);
    state().weights -= b.weights.size();
    state().weight_bytes -= b.counted_bytes;
    delete &b;
}
void* get_base(ggml_backend_buffer_t buffer) {
    return of(buffer).pages.data();
}

ggml_status init_tensor(ggml_backend_buffer_t buffer, ggml_tensor* tensor) {
    Weight weight;
    if (!packable(tensor->type, tensor->ne[0], tensor->ne[1], state().quant, &weight))
        return GGML_STATUS_FAILED;
    weight.packed = static_cast<const uint8_t*>(tensor->data);
    WeightBuffer& b = of(buffer);
    b.weights.push_back(weight);
    b.counted_bytes += packed_bytes(weight);
    state().weights += 1;
    state().weight_bytes += packed_bytes(weight);
    tensor->extra = &b.weights.back();
    return GGML_STATUS_SUCCESS;
}

void set_tensor(ggml_backend_buffer_t, ggml_tensor* tensor, const void* data, size_t offset,
                size_t size) {
    GGML_ASSERT(offset == 0 && size == ggml_nbytes(tensor)); // llama.cpp loads whole tensors
    pack_weight(tensor->type, data, *static_cast<const Weight*>(tensor->extra),
                state().kernels->packing, static_cast<uint8_t*>(tensor->data));
    forget_pages(data, size);
}
void memset_tensor(ggml_backend_buffer_t, ggml_tensor*, uint8_t, size_t, size_t) {}
void clear(ggml_backend_buffer_t, uint8_t) {}

constexpr ggml_backend_buffer_i kBufferInterface = {
    /* .free_buffer   = */ free_buffer,
    /* .get_base      = */ get_base,
    /* .init_tensor   = */ init_tensor,
    /* .memset_tensor = */ memset_tensor,
    /* .set_tensor    = */ set_tensor,
    /* .get_tensor    = */ nullptr,
    /* .set_tensor_2d = */ nullptr,
    /* .get_tensor_2d = */ nullptr,
    /* .cpy_tensor    = */ nullptr,
    /* .clear         = */ clear,
    /* .reset         = */ nullptr,
};

// --- the buffer type ---

const char* buft_name(ggml_backend_buffer_type_t) {
    return "BGE_M3";
}
size_t buft_alignment(ggml_backend_buffer_type_t) {
    return 64;
}
size_t buft_alloc_size(ggml_backend_buffer_type_t, const ggml_tensor* tensor) {
    Weight weight;
    return packable(tensor->type, tensor->ne[0], tensor->ne[1], state().quant, &weight)
               ? packed_bytes(weight)
               : ggml_nbytes(tensor);
}
ggml_backend_buffer_t buft_alloc(ggml_backend_buffer_type_t type, size_t size) {
    auto* buffer = new (std::nothrow) WeightBuffer;
    // The loader probes with size 0; an address is needed all the same.
    if (!buffer || !buffer->pages.allocate(size ? size : 64, Pages::Use::Weights)) {
        delete buffer;
        return nullptr;
    }
    return ggml_backend_buffer_init(type, kBufferInterface, buffer, size);
}

const Weight* weight_of(const ggml_tensor* tensor);

/// Answers for every node of every graph.
class NodeTraits : public ggml::cpu::tensor_traits {
  public:
    bool work_size(int threads, const ggml_tensor* op, size_t& size) override {
        graph_run().record(const_cast<ggml_tensor*>(op), threads);
        if (op->op != GGML_OP_MUL_MAT || !weight_of(op->src[0]))
            return false; // fused or not, let ggml reserve what it might need
        size = 0;
        return true;
    }
    bool compute_forward(ggml_compute_params* params, ggml_tensor* op) override {
        const auto* ref = static_cast<const NodeRef*>(op->extra);
        if (!ref)
            return false;
        Team team;
        team.ith = params->ith;
        team.nth = params->nth;
        team.context = params->threadpool;
        team.barrier = [](void* pool) { ggml_barrier(static_cast<ggml_threadpool*>(pool)); };
        return ref->run->run(ref->number, op, team);
    }
};

class BufferType : public ggml::cpu::extra_buffer_type {
  public:
    bool supports_op(ggml_backend_dev_t, const ggml_tensor* op) override {
        const ggml_tensor *w = op->src[0], *x = op->src[1];
        Weight weight;
        return op->op == GGML_OP_MUL_MAT && w && x && op->type == GGML_TYPE_F32 &&
               x->type == GGML_TYPE_F32 && ggml_n_dims(w) == 2 && ggml_is_contiguous(w) &&
               x->ne[2] == 1 && x->ne[3] == 1 && x->nb[0] == sizeof(float) &&
               x->nb[1] == static_cast<size_t>(x->ne[0]) * sizeof(float) &&
               packable(w->type, w->ne[0], w->ne[1], state().quant, &weight);
    }
    ggml::cpu::tensor_traits* get_tensor_traits(const ggml_tensor*) override { return &traits_; }

  private:
    NodeTraits traits_;
};

ggml_backend_buffer_type_t buffer_type() {
    static BufferType context;
    static ggml_backend_buffer_type type = {
        {
            /* .get_name       = */ buft_name,
            /* .alloc_buffer   = */ buft_alloc,
            /* .get_alignment  = */ buft_alignment,
            /* .get_max_size   = */ nullptr,
            /* .get_alloc_size = */ buft_alloc_size,
            /* .is_host        = */ nullptr,
        },
        ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0),
        &context,
    };
    return &type;
}

const Weight* weight_of(const ggml_tensor* tensor) {
    return tensor && tensor->buffer && tensor->buffer->buft == buffer_type()
               ? static_cast<const Weight*>(tensor->extra)
               : nullptr;
}

bool is(const char* variable, const char* value) {
    const char* v = std::getenv(variable);
    return v && std::strcmp(v, value) == 0;
}

bool install_once(const Options& options) {
    if (!options.enabled || is("BGE_M3_KERNELS", "off"))
        return false;
    const KernelTable* kernels = table(options.isa);
    if (!kernels)
        return false;
    State& s = state();
    s.kernels = kernels;
    s.quant = is("BGE_M3_QUANT", "block")   ? Quant::Block
              : is("BGE_M3_QUANT", "fixed") ? Quant::Fixed
                                            : options.quant;
    set_planning(kernels, weight_of);
    auto& types = ggml_backend_cpu_get_extra_buffer_types();
    types.insert(types.begin(), buffer_type());
    return true;
}

} // namespace

bool install(const Options& options) {
    static std::once_flag once;
    static bool installed = false;
    std::call_once(once, [&] {
        keep_cleared_pages_untouched();
        installed = install_once(options);
    });
    return installed;
}

const char* isa() {
    return state().kernels ? state().kernels->name : "ggml";
}
const char* quant_name() {
    if (!state().kernels)
        return "ggml";
    return state().quant == Quant::Fixed ? "fixed" : "block";
}

Coverage coverage() {
    const GraphRun::Last last = GraphRun::last();
    Coverage c;
    c.weights = state().weights;
    c.weight_bytes = state().weight_bytes;
    c.nodes_own = last.nodes_own;
    c.nodes_total = last.nodes_total;
    c.attention_fused = last.attention_fused;
    return c;
}

void release_scratch() {
    graph_run().release();
}

} // namespace bge::kernels
