#include "runner.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "../kernels/pack.h"
#include "mask.h"

#ifdef _WIN32
#include <malloc.h>
#endif

namespace bge::kernels {
namespace {

struct Tiling {
    int rows, chunks;   // of rows
    int panels, groups; // of panels
    int tasks() const { return chunks * groups; }
};

Tiling tiling(int rows, int panels, int threads) {
    Tiling t;
    t.chunks = std::max(1, (rows + kRowsPerTask - 1) / kRowsPerTask);
    t.rows = (rows + t.chunks - 1) / t.chunks;
    t.rows = (t.rows + kTileRows - 1) / kTileRows * kTileRows;
    static_assert(kRowsPerTask % kTileRows == 0);
    t.chunks = (rows + t.rows - 1) / t.rows;
    // About 32 tasks per thread: the threads wait for the last one.
    const int wanted = std::max(1, threads * 32 / t.chunks);
    t.panels = std::max(1, panels / wanted);
    t.groups = (panels + t.panels - 1) / t.panels;
    return t;
}

Tiling tiling_of(const LinearStep& s, int threads) {
    return tiling(static_cast<int>(s.input->ne[1]), s.weight->n / kPanel, threads);
}
Tiling tiling_of(const AttentionStep& s, int threads) {
    return tiling(s.tokens, 3 * (s.heads * s.head_dim / kPanel), threads);
}

const uint8_t* panel_of(const Weight& w, int panel) {
    const size_t bytes = w.q8 ? q8_panel_bytes(w.k, w.quant) : float_panel_bytes(w.k, w.type);
    return w.packed + static_cast<size_t>(panel) * bytes;
}
/// Panels of Q, K and V are numbered one after the other.
const uint8_t* panel_of(const AttentionStep& s, int panel) {
    const int panels = s.heads * s.head_dim / kPanel;
    const AttentionStep::Part& part = s.parts[panel / panels];
    return panel_of(*part.linear->weight, part.first_panel + panel % panels);
}

/// The weights that a thread starts with at the next multiply.
const uint8_t* first_weights(const NextMultiply& next, const Team& team) {
    if (!next.linear && !next.attention)
        return nullptr;
    const Tiling t =
        next.linear ? tiling_of(*next.linear, team.nth) : tiling_of(*next.attention, team.nth);
    const int task = WorkQueue::first_task(t.tasks(), team.ith, team.nth);
    const int panel = task % t.groups * t.panels;
    return next.linear ? panel_of(*next.linear->weight, panel) : panel_of(*next.attention, panel);
}

/// The weights that come after task i: those of task i + 1, or at the end of the thread's share
/// `after`. @param source whose panels they are
template <class Source>
const uint8_t* weights_after(int i, const Source& source, const Tiling& t, const Team& team,
                             const uint8_t* after) {
    return WorkQueue::goes_on(i, t.tasks(), team.nth)
               ? panel_of(source, (i + 1) % t.groups * t.panels)
               : after;
}

const float* data_of(const ggml_tensor* t) {
    return t ? static_cast<const float*>(t->data) : nullptr;
}

bool overlaps_elsewhere(const ggml_tensor* a, const ggml_tensor* b) {
    if (!a || !b || a->data == b->data)
        return false;
    const auto* x = static_cast<const uint8_t*>(a->data);
    const auto* y = static_cast<const uint8_t*>(b->data);
    return x < y + ggml_nbytes(b) && y < x + ggml_nbytes(a);
}

} // namespace

uint8_t* Scratch::reserve(size_t bytes) {
    if (bytes <= bytes_)
        return data_;
    release();
    const size_t rounded = (bytes + 63) / 64 * 64;
#ifdef _WIN32
    data_ = static_cast<uint8_t*>(_aligned_malloc(rounded, 64));
#else
    data_ = static_cast<uint8_t*>(std::aligned_alloc(64, rounded));
#endif
    bytes_ = data_ ? rounded : 0;
    return data_;
}

void Scratch::release() {
#ifdef _WIN32
    _aligned_free(data_);
#else
    std::free(data_);
#endif
    data_ = nullptr;
    bytes_ = 0;
}

bool Runner::prepare(Plan& plan, Scratch& scratch) {
    plan_ = &plan;
    uint8_t* p = scratch.reserve(plan.scratch_bytes());
    if (!p)
        return false;
    const auto take = [&p](size_t bytes) {
        uint8_t* taken = p;
        p += (bytes + 63) / 64 * 64;
        return taken;
    };
    for (int i = 0; i < kSlots; ++i)
        slots_[i] = take(plan.slot_bytes[i]);
    qkv_ = reinterpret_cast<uint16_t*>(take(plan.qkv_bytes));
    bounce_ = reinterpret_cast<float*>(take(plan.bounce_bytes));
    attention_ = take(static_cast<size_t>(plan.threads) * plan.attention_bytes);
    scales_ = take(static_cast<size_t>(plan.threads) * plan.scale_bytes);
    return true;
}

Runner::RowScales Runner::scales_of(const Q8Rows& rows, const Team& team) const {
    return {plan_->kernels, rows, scales_ + static_cast<size_t>(team.ith) * plan_->scale_bytes};
}

const uint8_t* Runner::RowScales::of(Quant quant, int m0, int m1) {
    if (quant == Quant::Block)
        return nullptr;
    if (m0 != held_)
        kernels_->fix_scales(rows_, m0, m1, memory_);
    held_ = m0;
    return memory_;
}

Q8Rows Runner::slot(Slot which, int k) const {
    return {slots_[static_cast<int>(which)], k};
}

bool Runner::run(int node, const Team& team) {
    return std::visit([&](auto step) { return at(step, node, team); },
                      plan_->actions[static_cast<size_t>(node)]);
}

bool Runner::at(std::monostate, int, const Team&) {
    return false;
}

bool Runner::at(NormStep* step, int node, const Team& team) {
    if (node == step->last)
        norm(*step, team);
    return true;
}

bool Runner::at(LinearStep* step, int node, const Team& team) {
    if (AttentionStep* attention = step->attention) {
        if (node == attention->first) {
            if (attention->checks_mask)
                check_mask(*attention->mask, attention->tokens, team);
            if (attention->fused())
                project(*attention, team);
        }
        if (attention->fused())
            return true;
    }
    if (node == step->last)
        linear(*step, team);
    return true;
}

bool Runner::at(CastStep step, int, const Team&) {
    return step.attention->fused();
}

bool Runner::at(AttentionStep* step, int, const Team& team) {
    if (step->fused())
        attend(*step, team);
    return step->fused();
}

Q8Rows Runner::input_rows(const LinearStep& step, WorkQueue& queue, const Team& team) {
    const int k = step.weight->k;
    if (step.input_slot != Slot::None && (!step.producer || step.producer->fused()))
        return slot(step.input_slot, k);
    const Q8Rows rows = slot(Slot::Own, k);
    const int n = static_cast<int>(step.input->ne[1]);
    const float* x = data_of(step.input);
    queue.run(team.ith, team.nth, (n + kTileRows - 1) / kTileRows, [&](int i) {
        plan_->kernels->quantize_rows(x, static_cast<size_t>(k), i * kTileRows,
                                      std::min(n, (i + 1) * kTileRows), rows);
    });
    team.wait();
    return rows;
}

void Runner::linear(LinearStep& step, const Team& team) {
    const Weight& w = *step.weight;
    Epilogue out;
    out.kind = step.emit_q8 ? Out::GeluQ8 : step.gelu ? Out::GeluF32 : Out::F32;
    out.bias = data_of(step.bias);
    out.f32 = static_cast<float*>(step.out->data);
    out.ld = static_cast<size_t>(w.n);
    if (step.emit_q8)
        out.q8 = slot(Slot::Gelu, w.n);
    const int rows = static_cast<int>(step.input->ne[1]), panels = w.n / kPanel;
    const Tiling t = tiling_of(step, team.nth);
    const uint8_t* after = first_weights(step.next, team);
    const Q8Rows quantized = w.q8 ? input_rows(step, step.quantize, team) : Q8Rows{};
    RowScales scales = scales_of(quantized, team);
    const auto each = [&](auto multiply, auto& g) {
        step.multiply.run(team.ith, team.nth, t.tasks(), [&](int i) {
            const int m0 = i / t.groups * t.rows, m1 = std::min(m0 + t.rows, rows);
            const int p = i % t.groups * t.panels;
            if constexpr (std::is_same_v<decltype(g), GemmQ8&>) {
                g.next = weights_after(i, w, t, team, after);
                g.scales = scales.of(w.quant, m0, m1);
            }
            multiply(g, m0, m1, p, std::min(p + t.panels, panels));
        });
    };
    if (w.q8) {
        GemmQ8 g;
        g.rows = quantized;
        g.quant = w.quant;
        g.weights = w.packed;
        g.out = out;
        each(plan_->kernels->gemm_q8, g);
    } else {
        GemmFloat g;
        g.rows = data_of(step.input);
        g.ld = static_cast<size_t>(w.k);
        g.k = w.k;
        g.type = w.type;
        g.weights = w.packed;
        g.out = out;
        each(plan_->kernels->gemm_float, g);
    }
}

void Runner::norm(NormStep& step, const Team& team) {
    const int n = static_cast<int>(step.out->ne[0]), rows = static_cast<int>(step.out->ne[1]);
    // The output may lie in memory that an input left: the same rows are fine, others are not.
    const bool bounce =
        overlaps_elsewhere(step.out, step.x) || overlaps_elsewhere(step.out, step.residual);
    NormRows g;
    g.x = data_of(step.x);
    g.residual = data_of(step.residual);
    g.weight = data_of(step.weight);
    g.bias = data_of(step.bias);
    g.eps = step.eps;
    g.n = n;
    g.y = bounce ? bounce_ : static_cast<float*>(step.out->data);
    g.ldx = g.ld_residual = g.ldy = static_cast<size_t>(n);
    if (step.emit_q8)
        g.q8 = slot(Slot::Norm, n);
    step.rows.run(team.ith, team.nth, (rows + kTileRows - 1) / kTileRows, [&](int i) {
        plan_->kernels->norm_rows(g, i * kTileRows, std::min(rows, (i + 1) * kTileRows));
    });
    if (bounce) {
        team.wait();
        if (team.ith == 0)
            std::memcpy(step.out->data, bounce_, ggml_nbytes(step.out));
    }
}

void Runner::project(AttentionStep& step, const Team& team) {
    const int width = step.heads * step.head_dim, rows = step.tokens;
    const LinearStep& first = *step.parts[0].linear;
    bool any_q8 = false;
    for (const AttentionStep::Part& part : step.parts)
        any_q8 = any_q8 || part.linear->weight->q8;
    Q8Rows quantized;
    if (any_q8) {
        const LinearStep* source = &first;
        for (const AttentionStep::Part& part : step.parts)
            if (part.linear->weight->q8)
                source = part.linear;
        quantized = input_rows(*source, step.quantize, team);
    }
    constexpr float kLog2E = 1.44269504088896340736f;
    const int panels = width / kPanel;
    const Tiling t = tiling_of(step, team.nth);
    const uint8_t* after = first_weights(step.next, team);
    RowScales scales = scales_of(quantized, team);
    step.multiply.run(team.ith, team.nth, t.tasks(), [&](int i) {
        const int m0 = i / t.groups * t.rows, m1 = std::min(m0 + t.rows, rows);
        const int p0 = i % t.groups * t.panels, p1 = std::min(p0 + t.panels, 3 * panels);
        for (int part = p0 / panels; part * panels < p1; ++part) {
            const AttentionStep::Part& source = step.parts[part];
            const Weight& w = *source.linear->weight;
            const float* bias = data_of(source.linear->bias);
            Epilogue out;
            out.kind = Out::F16;
            out.bias = bias ? bias + source.first_panel * kPanel : nullptr;
            out.f16 = qkv_ + part * width;
            out.ld = qkv_row(width);
            out.scale = part == 0 ? step.scale * kLog2E : 1.0f;
            const int a = std::max(p0 - part * panels, 0), b = std::min(p1 - part * panels, panels);
            if (w.q8) {
                GemmQ8 g;
                g.rows = quantized;
                g.quant = w.quant;
                g.weights = panel_of(w, source.first_panel);
                g.scales = scales.of(w.quant, m0, m1);
                g.next = p1 > (part + 1) * panels ? panel_of(step, (part + 1) * panels)
                                                  : weights_after(i, step, t, team, after);
                g.out = out;
                plan_->kernels->gemm_q8(g, m0, m1, a, b);
            } else {
                GemmFloat g;
                g.rows = data_of(first.input);
                g.ld = static_cast<size_t>(w.k);
                g.k = w.k;
                g.type = w.type;
                g.weights = panel_of(w, source.first_panel);
                g.out = out;
                plan_->kernels->gemm_float(g, m0, m1, a, b);
            }
        }
    });
}

void Runner::attend(AttentionStep& step, const Team& team) {
    const int width = step.heads * step.head_dim;
    Attention g;
    g.q = qkv_;
    g.k = qkv_ + width;
    g.v = qkv_ + 2 * width;
    g.ld = qkv_row(width);
    g.head_dim = step.head_dim;
    g.out = step.emit_f32 ? static_cast<float*>(step.out->data) : nullptr;
    g.ldo = static_cast<size_t>(width);
    if (step.emit_q8)
        g.q8 = slot(Slot::Attention, width);
    const auto& sequences = step.mask->sequences;
    const int pairs = static_cast<int>(sequences.size()) * step.heads;
    // Query rows of one head are split only when there are too few heads for the threads: every
    // part packs the head's keys again.
    const int parts =
        std::max(1, std::min(4 * team.nth / std::max(1, pairs), (step.tokens + 127) / 128));
    uint8_t* scratch = attention_ + static_cast<size_t>(team.ith) * plan_->attention_bytes;
    step.attend.run(team.ith, team.nth, pairs * parts, [&](int i) {
        const int pair = i / parts, part = i % parts;
        const Sequence s = sequences[static_cast<size_t>(pair / step.heads)];
        const int head = pair % step.heads, rows = s.end - s.begin;
        const int q0 = s.begin + static_cast<int>(static_cast<int64_t>(rows) * part / parts);
        const int q1 = s.begin + static_cast<int>(static_cast<int64_t>(rows) * (part + 1) / parts);
        if (q0 == q1)
            return;
        plan_->kernels->attention_pack(g, s.begin, s.end, head, scratch);
        plan_->kernels->attention(g, s.begin, s.end, head, q0, q1, scratch);
    });
}

void Runner::check_mask(Mask& mask, int tokens, const Team& team) {
    if (mask.tensor) {
        const auto* rows = static_cast<const uint16_t*>(mask.tensor->data);
        const int first = static_cast<int>(static_cast<int64_t>(tokens) * team.ith / team.nth);
        const int last = static_cast<int>(static_cast<int64_t>(tokens) * (team.ith + 1) / team.nth);
        if (!read_ranges(rows, tokens, first, last, mask.ranges.data()))
            mask.broken.store(true, std::memory_order_relaxed);
    }
    team.wait();
    if (team.ith == 0) {
        mask.sequences.clear();
        if (!mask.tensor)
            mask.sequences.push_back({0, tokens});
        mask.block_diagonal = !mask.tensor || (!mask.broken.load(std::memory_order_relaxed) &&
                                               blocks_of(mask.ranges, mask.sequences));
    }
    team.wait();
}

} // namespace bge::kernels
