// NEON with dotprod and the int8 matrix multiply (Armv8.6: Neoverse V1, N2 and later, Apple M2 and
// later, Graviton 3 and later).
#include "../simd/vec_neon-inl.h"

#include "../simd/dot_i8mm-inl.h"
#include "../simd/table-inl.h"
#include "../tables.h"

namespace bge::kernels {

const KernelTable& neon_i8mm_table() {
    static constexpr KernelTable table = make_table(Isa::NeonI8mm, "neon-i8mm");
    return table;
}

} // namespace bge::kernels
