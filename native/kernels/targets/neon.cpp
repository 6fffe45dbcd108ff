// NEON with dotprod (Armv8.2: Neoverse N1 and later, Apple M1 and later, Graviton 2 and later).
#include "../simd/vec_neon-inl.h"

#include "../simd/dot_sdot-inl.h"
#include "../simd/table-inl.h"
#include "../tables.h"

namespace bge::kernels {

const KernelTable& neon_table() {
    static constexpr KernelTable table = make_table(Isa::Neon, "neon");
    return table;
}

} // namespace bge::kernels
