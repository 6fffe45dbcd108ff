// AVX-VNNI (Alder Lake and later, Zen 5): VEX encoding; BGE_AVXVNNI_AS_EVEX builds it with
// AVX-512VL's.
#define BGE_VNNI
#include "../simd/vec_avx2-inl.h"

#include "../simd/dot-inl.h"
#include "../simd/table-inl.h"
#include "../tables.h"

namespace bge::kernels {

const KernelTable& avxvnni_table() {
    static constexpr KernelTable table = make_table(Isa::AvxVnni, "avxvnni");
    return table;
}

} // namespace bge::kernels
