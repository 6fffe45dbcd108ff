// AVX-512 with VNNI (Cascade Lake, Ice Lake, Zen 4 and later).
#include "../simd/vec_avx512-inl.h"

#include "../simd/dot-inl.h"
#include "../simd/table-inl.h"
#include "../tables.h"

namespace bge::kernels {

const KernelTable& avx512vnni_table() {
    static constexpr KernelTable table = make_table(Isa::Avx512Vnni, "avx512vnni");
    return table;
}

} // namespace bge::kernels
