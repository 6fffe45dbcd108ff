// Recognizes llama.cpp's BERT graphs, node by node. A group is fused only if its nodes lie next to
// each other in the graph's order (views aside): then nothing else can have written to the memory
// its inputs occupy between the group's first and last node.
#include <algorithm>
#include <cstring>

#include "plan.h"

namespace bge::kernels {
namespace {

bool is_view(const ggml_tensor* t) {
    return t->op == GGML_OP_VIEW || t->op == GGML_OP_RESHAPE || t->op == GGML_OP_PERMUTE ||
           t->op == GGML_OP_TRANSPOSE;
}
bool is_noop(const ggml_tensor* t) {
    return t->op == GGML_OP_NONE || is_view(t);
}

const ggml_tensor* without_views(const ggml_tensor* t) {
    while (t && is_view(t) && t->src[0])
        t = t->src[0];
    return t;
}

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

class Planner {
  public:
    Planner(const std::vector<ggml_tensor*>& nodes, Plan& plan, WeightOf weight_of)
        : nodes_(nodes), plan_(plan), weight_of_(weight_of) {}

    void run() {
        index();
        plan_.actions.resize(nodes_.size());
        for (size_t i = 0; i < nodes_.size(); ++i) {
            plan_.actions[i].node = static_cast<int>(i);
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
        size();
        count();
    }

  private:
    struct Uses {
        int number = -1;     // as a node
        std::vector<int> by; // nodes that read it, views looked through
        bool output = false;
    };

    void index() {
        uses_.reserve(nodes_.size() * 2);
        for (size_t i = 0; i < nodes_.size(); ++i) {
            const ggml_tensor* node = nodes_[i];
            uses_[node].number = static_cast<int>(i);
            if (node->flags & GGML_TENSOR_FLAG_OUTPUT)
                uses_[without_views(node)].output = true;
            if (is_noop(node))
                continue;
            for (const ggml_tensor* source : node->src)
                if (source && source != node)
                    uses_[without_views(source)].by.push_back(static_cast<int>(i));
        }
    }

    int number(const ggml_tensor* t) const {
        const auto it = uses_.find(t);
        return it == uses_.end() ? -1 : it->second.number;
    }
    /// The only node that reads t, or -1.
    int sole_reader(const ggml_tensor* t) const {
        const auto it = uses_.find(t);
        return it == uses_.end() || it->second.output || it->second.by.size() != 1
                   ? -1
                   : it->second.by[0];
    }
    /// Whether all nodes strictly between that are no views are in `members` (ascending or not).
    bool contiguous(int first, int last, const std::vector<int>& members) const {
        for (int i = first + 1; i < last; ++i)
            if (!is_noop(nodes_[static_cast<size_t>(i)]) &&
                std::find(members.begin(), members.end(), i) == members.end())
                return false;
        return true;
    }
    void assign(int node, NodeAction::Kind kind, void* step) {
        NodeAction& a = plan_.actions[static_cast<size_t>(node)];
        a.kind = kind;
        a.step = step;
    }
    std::unique_ptr<WorkQueue> queue() const { return std::make_unique<WorkQueue>(plan_.threads); }

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
        std::vector<int> members = {i};
        const auto extend = [&](int next) {
            if (next < 0 || !contiguous(step.first, next, members))
                return false;
            step.out = nodes_[static_cast<size_t>(next)];
            step.last = next;
            members.push_back(next);
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
        step.quantize = queue();
        step.multiply = queue();
        plan_.linears.push_back(std::move(step));
        for (int member : members)
            assign(member, NodeAction::Kind::Linear, &plan_.linears.back());
        linear_of_[plan_.linears.back().out] = &plan_.linears.back();
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
        std::vector<int> members = {i, mul, add};
        const int sum = number(norm->src[0]);
        if (sum >= 0 && nodes_[static_cast<size_t>(sum)]->op == GGML_OP_ADD &&
            plan_.actions[static_cast<size_t>(sum)].kind == NodeAction::Kind::Ggml) {
            const ggml_tensor* s = nodes_[static_cast<size_t>(sum)];
            if (sole_reader(s) == i && is_rows(s) && is_rows(s->src[0]) && is_rows(s->src[1]) &&
                ggml_are_same_shape(s->src[0], s->src[1])) {
                step.x = s->src[0];
                step.residual = s->src[1];
                step.first = sum;
                members.push_back(sum);
            }
        }
        if (!contiguous(step.first, step.last, members))
            return;
        step.rows = queue();
        plan_.norms.push_back(std::move(step));
        for (int member : members)
            assign(member, NodeAction::Kind::Norm, &plan_.norms.back());
    }

    /// A view of a linear step's output, as [head_dim, tokens, heads]: where its rows start.
    struct HeadsView {
        LinearStep* linear = nullptr;
        int first_channel = 0;
    };
    HeadsView heads_view(const ggml_tensor* t, int head_dim, int tokens, int heads) const {
        const ggml_tensor* base = without_views(t);
        const auto it = linear_of_.find(base);
        if (it == linear_of_.end() || it->second->gelu || t->type != GGML_TYPE_F32)
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
        return {it->second, static_cast<int>(offset / sizeof(float))};
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
        std::vector<int> members = {i}, casts;
        const ggml_tensor* input = nullptr;
        for (int part = 0; part < 3; ++part) {
            const ggml_tensor* source = node->src[part];
            if (part > 0) { // cast to float16
                const ggml_tensor* cast = without_views(source);
                const int at = number(cast);
                if (at < 0 || cast->op != GGML_OP_CPY || cast->type != GGML_TYPE_F16 ||
                    sole_reader(cast) != i)
                    return;
                casts.push_back(at);
                members.push_back(at);
                source = cast->src[0];
            }
            const HeadsView view = heads_view(source, static_cast<int>(dim),
                                              static_cast<int>(tokens), static_cast<int>(heads));
            if (!view.linear || view.linear->attention)
                return;
            for (int reader : uses_.at(view.linear->out).by)
                if (reader != i && std::find(casts.begin(), casts.end(), reader) == casts.end()) {
                    pending_readers_.push_back({view.linear, reader});
                }
            if (uses_.at(view.linear->out).output || (input && input != view.linear->input))
                return;
            input = view.linear->input;
            step.parts[part] = {view.linear, view.first_channel / kPanel,
                                static_cast<int>(dim * heads) / kPanel};
            step.first = std::min(step.first, view.linear->first);
        }
        // Every reader of the three must be this node or one of its casts.
        for (const auto& [linear, reader] : pending_readers_)
            if (std::find(casts.begin(), casts.end(), reader) == casts.end() && reader != i) {
                pending_readers_.clear();
                return;
            }
        pending_readers_.clear();
        for (const AttentionStep::Part& part : step.parts)
            for (int n = part.linear->first; n <= part.linear->last; ++n)
                if (!is_noop(nodes_[static_cast<size_t>(n)]))
                    members.push_back(n);
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
        step.quantize = queue();
        step.multiply = queue();
        step.attend = queue();
        plan_.attentions.push_back(std::move(step));
        AttentionStep* placed = &plan_.attentions.back();
        for (const AttentionStep::Part& part : placed->parts)
            const_cast<LinearStep*>(part.linear)->attention = placed;
        for (int cast : casts)
            assign(cast, NodeAction::Kind::Cast, placed);
        assign(i, NodeAction::Kind::Attention, placed);
    }

    /// Walks the steps in order and lets producers leave quantized rows for their consumers.
    void connect() {
        struct Producer {
            NormStep* norm = nullptr;
            LinearStep* linear = nullptr;
            AttentionStep* attention = nullptr;
            int consumers = 0;
        };
        std::unordered_map<const ggml_tensor*, Producer> producers;
        const ggml_tensor* owner[kSlots] = {};
        for (NodeAction& a : plan_.actions) {
            if (a.kind == NodeAction::Kind::Linear) {
                auto* step = static_cast<LinearStep*>(a.step);
                if (a.node == step->first && step->weight->q8) {
                    const ggml_tensor* input = without_views(step->input);
                    const auto it = producers.find(input);
                    for (int slot = 0; slot < kSlots && it != producers.end(); ++slot)
                        if (owner[slot] == input && input->ne[0] * input->ne[1] * input->ne[2] ==
                                                        step->input->ne[0] * step->input->ne[1]) {
                            step->input_slot = static_cast<Slot>(slot);
                            step->producer = it->second.attention;
                            ++it->second.consumers;
                        }
                }
                if (a.node == step->last && step->gelu) {
                    owner[static_cast<int>(Slot::Gelu)] = step->out;
                    producers[step->out].linear = step;
                }
            } else if (a.kind == NodeAction::Kind::Norm) {
                auto* step = static_cast<NormStep*>(a.step);
                if (a.node == step->last) {
                    owner[static_cast<int>(Slot::Norm)] = step->out;
                    producers[step->out].norm = step;
                }
            } else if (a.kind == NodeAction::Kind::Attention) {
                auto* step = static_cast<AttentionStep*>(a.step);
                owner[static_cast<int>(Slot::Attention)] = step->out;
                producers[step->out].attention = step;
            }
        }
        for (auto& [tensor, p] : producers) {
            const auto it = uses_.find(tensor);
            const bool all = it != uses_.end() && !it->second.output &&
                             static_cast<int>(it->second.by.size()) == p.consumers;
            if (p.consumers == 0)
                continue;
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
                !producers[without_views(step.input)].linear->emit_q8)
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
        for (const NodeAction& a : plan_.actions) {
            if (a.kind == NodeAction::Kind::Attention) {
                auto* step = static_cast<AttentionStep*>(a.step);
                if (before)
                    before->attention = step;
                before = &step->next;
            } else if (a.kind == NodeAction::Kind::Linear) {
                auto* step = static_cast<LinearStep*>(a.step);
                if (a.node != step->last || step->attention)
                    continue;
                if (before)
                    before->linear = step;
                before = &step->next;
            }
        }
    }
    void count() {
        for (size_t i = 0; i < nodes_.size(); ++i)
            if (!is_noop(nodes_[i])) {
                ++plan_.nodes_total;
                plan_.nodes_own += plan_.actions[i].kind != NodeAction::Kind::Ggml;
            }
    }

    const std::vector<ggml_tensor*>& nodes_;
    Plan& plan_;
    const WeightOf weight_of_;
    std::unordered_map<const ggml_tensor*, Uses> uses_;
    std::unordered_map<const ggml_tensor*, LinearStep*> linear_of_;
    std::vector<std::pair<const LinearStep*, int>> pending_readers_;
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
