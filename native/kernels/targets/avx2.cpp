// AVX2+FMA (Haswell, Zen and later): the floor.
#include "../simd/vec_avx2-inl.h"

#include "../simd/dot-inl.h"
#include "../simd/table-inl.h"
#include "../tables.h"

namespace bge::kernels {

const KernelTable& avx2_table() {
    static constexpr KernelTable table = make_table(Isa::Avx2, "avx2");
    return table;
}

} // namespace bge::kernels
