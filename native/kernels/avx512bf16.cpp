// AVX-512 with VNNI and BF16 (Cooper Lake, Sapphire Rapids, Zen 4).
#include "simd/vec_avx512.h"

#include "simd/table.h"
#include "tables.h"

namespace bge::kernels {

const KernelTable& avx512bf16_table() {
    static constexpr KernelTable table = make_table(Isa::Avx512Bf16, "avx512bf16");
    return table;
}

} // namespace bge::kernels
