// Plain C++: the reference for every other table, and the fallback.
#include "../simd/vec_scalar-inl.h"

#include "../simd/dot-inl.h"
#include "../simd/table-inl.h"
#include "../tables.h"

namespace bge::kernels {

const KernelTable& generic_table() {
    static constexpr KernelTable table = make_table(Isa::Generic, "generic");
    return table;
}

} // namespace bge::kernels
