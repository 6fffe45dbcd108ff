// How a machine with AMX decides, shown with tables that every machine has. What AMX computes is
// compared in gemm_test.cpp, by its instructions or (BGE_AMX_EMULATED) by their description.
#include "support.h"

#include "../../kernels/amx_choice.h"

using namespace kernel_test;

namespace {

const KernelTable* g_right = nullptr;

/// One result is off by the last bit.
void nearly_right(const GemmQ8& g, int m0, int m1, int p0, int p1) {
    g_right->gemm_q8(g, m0, m1, p0, p1);
    g.out.f32[0] = std::nextafter(g.out.f32[0], 2.0f);
}
/// Twice the work.
void slow(const GemmQ8& g, int m0, int m1, int p0, int p1) {
    g_right->gemm_q8(g, m0, m1, p0, p1);
    g_right->gemm_q8(g, m0, m1, p0, p1);
}

} // namespace

TEST("kernels: what is faster and gives the same bits wins, nothing else does") {
    const auto all = tables();
    if (all.empty())
        return;
    const KernelTable& fast = *all.front();
    g_right = &fast;
    KernelTable wrong = fast, heavy = fast;
    wrong.gemm_q8 = nearly_right;
    heavy.gemm_q8 = slow;
    CHECK(wins(fast, heavy));
    CHECK(!wins(heavy, fast));
    CHECK(!wins(wrong, heavy));
}
