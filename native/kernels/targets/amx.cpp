// AVX-512 VNNI with AMX for the multiplies (Sapphire Rapids and later). BGE_AMX_EMULATED builds it
// for processors without.
#include "../simd/vec_avx512-inl.h"

#include "../simd/dot-inl.h"
#include "../simd/gemm_amx-inl.h"
#include "../simd/table-inl.h"
#include "../tables.h"

namespace bge::kernels {

const KernelTable& amx_table() {
    static constexpr KernelTable table = [] {
        KernelTable t = make_table(Isa::Amx, "amx");
        t.gemm_q8 = gemm_q8_amx;
        return t;
    }();
    return table;
}

} // namespace bge::kernels
