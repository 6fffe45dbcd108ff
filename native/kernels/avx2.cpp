// AVX2+FMA (Haswell, Zen and later): the floor.
#include "simd/vec_avx2.h"

#include "simd/dot.h"
#include "simd/table.h"
#include "tables.h"

namespace bge::kernels {

const KernelTable& avx2_table() {
    static constexpr KernelTable table = make_table(Isa::Avx2, "avx2");
    return table;
}

} // namespace bge::kernels
