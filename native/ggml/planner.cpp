// Recognizes llama.cpp's BERT graphs, node by node. A group is fused only if its nodes lie next to
// each other in the graph's order (views aside): then nothing else can have written to the memory
// its inputs occupy between the group's first and last node.
#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "plan.h"
#include "readers.h"

namespace bge::kernels {
namespace {

/// Rows of floats, one after the other: [n, tokens].
bool is_rows(const ggml_tensor* t) {
    return t && t->type == GGML_TYPE_F32 && t->ne[2] == 1 && t->ne[3] == 1 &&
           t->nb[0] == sizeof(float) && t->nb[1] == static_cast<size_t>(t->ne[0]) * sizeof(float) &&
           t->ne[1] < (1 << 24) && t->ne[0] < (1 << 24);
}
bool is_vector(const ggml_tensor* t, int64_t n) {
    return t && t->type == GGML_TYPE_F32 && t->ne[0] == n && ggml_nelements(t) == n &&
           t->nb[0] == sizeof(float);
}

/// The nodes of a step; no step has more.
class Members {
  public:
    Members(std::initializer_list<int> numbers) {
        for (int number : numbers)
            add(number);
    }
    void add(int number) {
        fits_ = fits_ && count_ < kMost;
        if (fits_)
            at_[count_++] = number;
    }
    bool has(int number) const { return std::find(begin(), end(), number) != end(); }
    bool fits() const { return fits_; }
    const int* begin() const { return at_; }
    const int* end() const { return at_ + count_; }

  private:
    static constexpr size_t kMost = 16;
    int at_[kMost] = {};
    size_t count_ = 0;
    bool fits_ = true;
};

class Planner {
  public:
    Planner(const std::vector<ggml_tensor*>& nodes, Plan& plan, WeightOf weight_of)
        : nodes_(nodes), plan_(plan), weight_of_(weight_of), readers_(nodes) {}

    void run() {
        reserve();
        for (size_t i = 0; i < nodes_.size(); ++i) {
            if (nodes_[i]->op == GGML_OP_MUL_MAT)
                find_linear(static_cast<int>(i));
            else if (nodes_[i]->op == GGML_OP_NORM)
                find_norm(static_cast<int>(i));
        }
        for (size_t i = 0; i < nodes_.size(); ++i)
            if (nodes_[i]->op == GGML_OP_FLASH_ATTN_EXT)
                find_attention(static_cast<int>(i));
        connect();
        chain();
        share_work();
        size();
        count();
    }

  private:
    /// Room for all steps: they are pointed to.
    void reserve() {
        size_t multiplies = 0, norms = 0, attentions = 0;
        for (const ggml_tensor* node : nodes_) {
            multiplies += node->op == GGML_OP_MUL_MAT;
            norms += node->op == GGML_OP_NORM;
            attentions += node->op == GGML_OP_FLASH_ATTN_EXT;
        }
        plan_.linears.reserve(multiplies);
        plan_.norms.reserve(norms);
        plan_.attentions.reserve(attentions);
        plan_.actions.resize(nodes_.size());
        linear_of_.resize(nodes_.size());
    }

    /// The only node that reads t, or -1.
    int sole_reader(const ggml_tensor* t) const {
        const int at = readers_.number(t);
        if (at < 0 || readers_.is_output(at))
            return -1;
        const Readers::Numbers by = readers_.of(at);
        return by.size() == 1 ? *by.begin() : -1;
    }
    /// Whether all nodes strictly between that are no views are in `members` (ascending or not).
    bool contiguous(int first, int last, const Members& members) const {
        for (int i = first + 1; i < last; ++i)
            if (!is_noop(nodes_[static_cast<size_t>(i)]) && !members.has(i))
                return false;
        return members.fits();
    }
    void assign(int node, NodeAction step) { plan_.actions[static_cast<size_t>(node)] = step; }
    bool is_taken(int node) const { return plan_.actions[static_cast<size_t>(node)].index() != 0; }
    /// The node's step, if it is of this type and ends there.
    template <class Step> Step* ending_at(int node) const {
        auto* const* step = std::get_if<Step*>(&plan_.actions[static_cast<size_t>(node)]);
        return step && (*step)->last == node ? *step : nullptr;
    }
    /// Counters for every step's work, in one piece.
    void share_work() {
        const size_t threads = static_cast<size_t>(plan_.threads);
        plan_.counters = std::vector<WorkQueue::Counter>(
            threads *
            (2 * plan_.linears.size() + plan_.norms.size() + 3 * plan_.attentions.size()));
        WorkQueue::Counter* next = plan_.counters.data();
        const auto give = [&](auto&... queues) {
            ((queues = WorkQueue(next), next += threads), ...);
        };
        for (LinearStep& step : plan_.linears)
            give(step.quantize, step.multiply);
        for (NormStep& step : plan_.norms)
            give(step.rows);
        for (AttentionStep& step : plan_.attentions)
            give(step.quantize, step.multiply, step.attend);
    }

    void find_linear(int i) {
        const ggml_tensor* node = nodes_[static_cast<size_t>(i)];
        const Weight* weight = weight_of_(node->src[0]);
        const ggml_tensor* input = node->src[1];
        if (!weight || !is_rows(input) || !is_rows(node) || input->ne[0] != weight->k ||
            node->ne[0] != weight->n || input->ne[1] != node->ne[1])
            return;
        LinearStep step;
        step.weight = weight;
        step.input = input;
        step.out = node;
        step.first = step.last = i;
        Members members = {i};
        const auto extend = [&](int next) {
            if (next < 0 || !contiguous(step.first, next, members))
                return false;
            step.out = nodes_[static_cast<size_t>(next)];
            step.last = next;
            members.add(next);
            return true;
        };
        const int add = sole_reader(node);
        if (add >= 0 && nodes_[static_cast<size_t>(add)]->op == GGML_OP_ADD) {
            const ggml_tensor* sum = nodes_[static_cast<size_t>(add)];
            const ggml_tensor* bias = sum->src[1];
            const bool constant = bias->op == GGML_OP_NONE || bias->op == GGML_OP_CONCAT;
            if (sum->src[0] == node && constant && is_vector(bias, weight->n) && is_rows(sum) &&
                extend(add))
                step.bias = bias;
        }
        const int gelu = sole_reader(step.out);
        if (gelu >= 0 && nodes_[static_cast<size_t>(gelu)]->op == GGML_OP_UNARY) {
            const ggml_tensor* unary = nodes_[static_cast<size_t>(gelu)];
            const ggml_unary_op op = ggml_get_unary_op(unary);
            if ((op == GGML_UNARY_OP_GELU || op == GGML_UNARY_OP_GELU_ERF) && is_rows(unary) &&
                unary->src[0] == step.out && extend(gelu))
                step.gelu = true;
        }
        plan_.linears.push_back(step);
        for (int member : members)
            assign(member, &plan_.linears.back());
        linear_of_[static_cast<size_t>(step.last)] = &plan_.linears.back();
    }

    void find_norm(int i) {
        const ggml_tensor* norm = nodes_[static_cast<size_t>(i)];
        const int mul = sole_reader(norm);
        if (mul < 0 || nodes_[static_cast<size_t>(mul)]->op != GGML_OP_MUL)
            return;
        const ggml_tensor* scaled = nodes_[static_cast<size_t>(mul)];
        const int add = sole_reader(scaled);
        if (add < 0 || nodes_[static_cast<size_t>(add)]->op != GGML_OP_ADD)
            return;
        const ggml_tensor* out = nodes_[static_cast<size_t>(add)];
        const int64_t n = norm->ne[0];
        if (n % 32 != 0 || n > 4096 || !is_rows(norm) || !is_rows(norm->src[0]) || !is_rows(out) ||
            scaled->src[0] != norm || out->src[0] != scaled || !is_vector(scaled->src[1], n) ||
            !is_vector(out->src[1], n) || scaled->src[1]->op != GGML_OP_NONE ||
            out->src[1]->op != GGML_OP_NONE)
            return;
        NormStep step;
        step.x = norm->src[0];
        step.weight = scaled->src[1];
        step.bias = out->src[1];
        step.out = out;
        std::memcpy(&step.eps, norm->op_params, sizeof(float));
        step.first = i;
        step.last = add;
        Members members = {i, mul, add};
        const int sum = readers_.number(norm->src[0]);
        if (sum >= 0 && nodes_[static_cast<size_t>(sum)]->op == GGML_OP_ADD && !is_taken(sum)) {
            const ggml_tensor* s = nodes_[static_cast<size_t>(sum)];
            if (sole_reader(s) == i && is_rows(s) && is_rows(s->src[0]) && is_rows(s->src[1]) &&
                ggml_are_same_shape(s->src[0], s->src[1])) {
                step.x = s->src[0];
                step.residual = s->src[1];
                step.first = sum;
                members.add(sum);
            }
        }
        if (!contiguous(step.first, step.last, members))
            return;
        plan_.norms.push_back(step);
        for (int member : members)
            assign(member, &plan_.norms.back());
    }

    /// A view of a linear step's output, as [head_dim, tokens, heads]: where its rows start.
    struct HeadsView {
        LinearStep* linear = nullptr;
        int first_channel = 0;
    };
    HeadsView heads_view(const ggml_tensor* t, int head_dim, int tokens, int heads) const {
        const ggml_tensor* base = without_views(t);
        const int at = readers_.number(base);
        LinearStep* linear = at < 0 ? nullptr : linear_of_[static_cast<size_t>(at)];
        if (!linear || linear->gelu || t->type != GGML_TYPE_F32)
            return {};
        const size_t offset =
            t->view_src ? t->view_offs - (base->view_src ? base->view_offs : 0) : 0;
        const bool fits = t->ne[0] == head_dim && t->ne[1] == tokens && t->ne[2] == heads &&
                          t->ne[3] == 1 && t->nb[0] == sizeof(float) && t->nb[1] == base->nb[1] &&
                          t->nb[2] == static_cast<size_t>(head_dim) * sizeof(float) &&
                          offset % (kPanel * sizeof(float)) == 0 &&
                          offset / sizeof(float) + static_cast<size_t>(head_dim * heads) <=
                              static_cast<size_t>(base->ne[0]) &&
                          base->ne[1] == tokens;
        if (!fits)
            return {};
        return {linear, static_cast<int>(offset / sizeof(float))};
    }

    void find_attention(int i) {
        const ggml_tensor* node = nodes_[static_cast<size_t>(i)];
        const ggml_tensor *q = node->src[0], *mask = node->src[3];
        float scale, max_bias, softcap;
        std::memcpy(&scale, node->op_params, sizeof(float));
        std::memcpy(&max_bias, reinterpret_cast<const float*>(node->op_params) + 1, sizeof(float));
        std::memcpy(&softcap, reinterpret_cast<const float*>(node->op_params) + 2, sizeof(float));
        const int64_t dim = q->ne[0], tokens = q->ne[1], heads = q->ne[2];
        if ((dim != 32 && dim != 64) || max_bias != 0 || softcap != 0 || node->src[4] ||
            heads > (1 << 16) || !ggml_is_contiguous(node) || node->type != GGML_TYPE_F32)
            return;
        if (mask &&
            !(mask->type == GGML_TYPE_F16 && mask->ne[0] == tokens && mask->ne[1] == tokens &&
              mask->ne[2] == 1 && mask->ne[3] == 1 && ggml_is_contiguous(mask)))
            return;
        AttentionStep step;
        step.first = i;
        step.last = i;
        Members members = {i}, casts = {};
        const ggml_tensor* input = nullptr;
        for (int part = 0; part < 3; ++part) {
            const ggml_tensor* source = node->src[part];
            if (part > 0) { // cast to float16
                const ggml_tensor* cast = without_views(source);
                const int at = readers_.number(cast);
                if (at < 0 || cast->op != GGML_OP_CPY || cast->type != GGML_TYPE_F16 ||
                    sole_reader(cast) != i)
                    return;
                casts.add(at);
                members.add(at);
                source = cast->src[0];
            }
            const HeadsView view = heads_view(source, static_cast<int>(dim),
                                              static_cast<int>(tokens), static_cast<int>(heads));
            if (!view.linear || view.linear->attention)
                return;
            if (readers_.is_output(view.linear->last) || (input && input != view.linear->input))
                return;
            input = view.linear->input;
            step.parts[part] = {view.linear, view.first_channel / kPanel,
                                static_cast<int>(dim * heads) / kPanel};
            step.first = std::min(step.first, view.linear->first);
        }
        // Every reader of the three must be this node or one of its casts.
        for (const AttentionStep::Part& part : step.parts)
            for (int reader : readers_.of(part.linear->last))
                if (reader != i && !casts.has(reader))
                    return;
        for (const AttentionStep::Part& part : step.parts)
            for (int n = part.linear->first; n <= part.linear->last; ++n)
                if (!is_noop(nodes_[static_cast<size_t>(n)]))
                    members.add(n);
        if (!contiguous(step.first, step.last, members))
            return;
        step.out = node;
        step.heads = static_cast<int>(heads);
        step.head_dim = static_cast<int>(dim);
        step.tokens = static_cast<int>(tokens);
        step.scale = scale;
        for (Mask& known : plan_.masks)
            if (known.tensor == mask)
                step.mask = &known;
        if (!step.mask) {
            plan_.masks.emplace_back();
            step.mask = &plan_.masks.back();
            step.mask->tensor = mask;
            step.mask->ranges.resize(static_cast<size_t>(tokens));
            step.checks_mask = true;
        }
        plan_.attentions.push_back(step);
        AttentionStep* placed = &plan_.attentions.back();
        for (const AttentionStep::Part& part : placed->parts)
            const_cast<LinearStep*>(part.linear)->attention = placed;
        for (int cast : casts)
            assign(cast, CastStep{placed});
        assign(i, placed);
    }

    /// Walks the steps in order and lets producers leave quantized rows for their consumers.
    void connect() {
        struct Producer {
            NormStep* norm = nullptr;
            LinearStep* linear = nullptr;
            AttentionStep* attention = nullptr;
            int consumers = 0;
        };
        std::vector<Producer> producers(nodes_.size()); // by what they leave
        const auto producer_of = [&](const ggml_tensor* t) -> Producer& {
            return producers[static_cast<size_t>(readers_.number(t))];
        };
        const ggml_tensor* owner[kSlots] = {};
        const auto consume = [&](LinearStep& step) {
            const ggml_tensor* input = without_views(step.input);
            for (int slot = 0; slot < kSlots; ++slot)
                if (owner[slot] == input && input->ne[0] * input->ne[1] * input->ne[2] ==
                                                step.input->ne[0] * step.input->ne[1]) {
                    step.input_slot = static_cast<Slot>(slot);
                    step.producer = producer_of(input).attention;
                    ++producer_of(input).consumers;
                }
        };
        const auto produce = [&](Slot slot, auto Producer::*as, auto* step) {
            owner[static_cast<int>(slot)] = step->out;
            producer_of(step->out).*as = step;
        };
        for (int node = 0; node < static_cast<int>(nodes_.size()); ++node) {
            auto* const* member =
                std::get_if<LinearStep*>(&plan_.actions[static_cast<size_t>(node)]);
            if (member && node == (*member)->first && (*member)->weight->q8)
                consume(**member);
            if (auto* linear = ending_at<LinearStep>(node); linear && linear->gelu)
                produce(Slot::Gelu, &Producer::linear, linear);
            else if (auto* norm = ending_at<NormStep>(node))
                produce(Slot::Norm, &Producer::norm, norm);
            else if (auto* attention = ending_at<AttentionStep>(node))
                produce(Slot::Attention, &Producer::attention, attention);
        }
        for (size_t i = 0; i < producers.size(); ++i) {
            const Producer& p = producers[i];
            if (p.consumers == 0)
                continue;
            const int at = static_cast<int>(i);
            const bool all = !readers_.is_output(at) &&
                             readers_.of(at).size() == static_cast<size_t>(p.consumers);
            if (p.norm)
                p.norm->emit_q8 = true;
            if (p.attention) {
                p.attention->emit_q8 = true;
                p.attention->emit_f32 = !all;
            }
            if (p.linear && all)
                p.linear->emit_q8 = true;
        }
        for (LinearStep& step : plan_.linears) // a GELU result that others read too stays float
            if (step.input_slot == Slot::Gelu &&
                !producer_of(without_views(step.input)).linear->emit_q8)
                step.input_slot = Slot::None;
    }

    void need(Slot slot, int64_t rows, int64_t k) {
        size_t& bytes = plan_.slot_bytes[static_cast<int>(slot)];
        bytes = std::max(bytes, q8_rows_bytes(static_cast<int>(rows), static_cast<int>(k)));
    }
    void size() {
        for (const LinearStep& s : plan_.linears) {
            if (s.weight->q8 && s.weight->quant == Quant::Fixed)
                plan_.scale_bytes =
                    std::max(plan_.scale_bytes,
                             (fixed_scales_bytes(kRowsPerTask, s.weight->k) + 63) / 64 * 64);
            if (s.weight->q8 && (s.input_slot == Slot::None || s.producer))
                need(Slot::Own, s.input->ne[1], s.input->ne[0]);
            if (s.emit_q8)
                need(Slot::Gelu, s.out->ne[1], s.out->ne[0]);
        }
        for (const NormStep& s : plan_.norms) {
            if (s.emit_q8)
                need(Slot::Norm, s.out->ne[1], s.out->ne[0]);
            plan_.bounce_bytes = std::max(
                plan_.bounce_bytes, static_cast<size_t>(ggml_nelements(s.out)) * sizeof(float));
        }
        for (const AttentionStep& s : plan_.attentions) {
            if (s.emit_q8)
                need(Slot::Attention, s.tokens, static_cast<int64_t>(s.heads) * s.head_dim);
            plan_.qkv_bytes = std::max(plan_.qkv_bytes, static_cast<size_t>(s.tokens) *
                                                            qkv_row(s.heads * s.head_dim) * 2);
            plan_.attention_bytes =
                std::max(plan_.attention_bytes, attention_scratch_bytes(s.tokens, s.head_dim));
        }
    }
    /// Tells every multiply which one comes after it.
    void chain() {
        NextMultiply* before = nullptr;
        const auto link = [&before](auto NextMultiply::*as, auto* step) {
            if (before)
                before->*as = step;
            before = &step->next;
        };
        for (int node = 0; node < static_cast<int>(nodes_.size()); ++node) {
            if (auto* attention = ending_at<AttentionStep>(node))
                link(&NextMultiply::attention, attention);
            else if (auto* linear = ending_at<LinearStep>(node); linear && !linear->attention)
                link(&NextMultiply::linear, linear);
        }
    }
    void count() {
        for (size_t i = 0; i < nodes_.size(); ++i)
            if (!is_noop(nodes_[i])) {
                ++plan_.nodes_total;
                plan_.nodes_own += is_taken(static_cast<int>(i));
            }
    }

    const std::vector<ggml_tensor*>& nodes_;
    Plan& plan_;
    const WeightOf weight_of_;
    const Readers readers_;
    std::vector<LinearStep*> linear_of_; // by the number of its last node
};

} // namespace

size_t Plan::scratch_bytes() const {
    // every part starts at a cache line
    size_t sum = qkv_bytes + bounce_bytes + 64 * 16 +
                 static_cast<size_t>(threads) * (attention_bytes + scale_bytes);
    for (size_t bytes : slot_bytes)
        sum += bytes;
    return sum;
}

std::unique_ptr<Plan> make_plan(const std::vector<ggml_tensor*>& nodes, int threads,
                                const KernelTable& kernels, WeightOf weight_of) {
    auto plan = std::make_unique<Plan>();
    plan->kernels = &kernels;
    plan->threads = threads;
    Planner(nodes, *plan, weight_of).run();
    return plan;
}

} // namespace bge::kernels
