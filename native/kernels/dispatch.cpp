// Picks the table once.
#include <cstdlib>

#include "amx_choice.h"
#include "tables.h"

namespace bge::kernels {

const KernelTable* table_of(Isa isa) {
    if (!supports(isa))
        return nullptr;
    switch (isa) {
#ifdef BGE_HAVE_AVX512VNNI
    case Isa::Avx512Vnni:
        return &avx512vnni_table();
#endif
#ifdef BGE_HAVE_AVXVNNI
    case Isa::AvxVnni:
        return &avxvnni_table();
#endif
#ifdef BGE_HAVE_AVX2
    case Isa::Avx2:
        return &avx2_table();
#endif
#ifdef BGE_HAVE_AMX
    case Isa::Amx:
        return &amx_table();
#endif
#ifdef BGE_HAVE_NEON
    case Isa::Neon:
        return &neon_table();
#endif
#ifdef BGE_HAVE_NEON_I8MM
    case Isa::NeonI8mm:
        return &neon_i8mm_table();
#endif
    case Isa::Generic:
        return &generic_table();
    default:
        return nullptr;
    }
}

namespace {

const KernelTable* choose(const char* wish) {
    const char* name = std::getenv("BGE_M3_ISA");
    const Isa named = supported_isa(name && *name ? name : wish);
    const KernelTable* best = table_of(named == Isa::None ? detect() : named);
    if (named != Isa::None || !best || best->isa != Isa::Avx512Vnni)
        return best;
    const KernelTable* amx = table_of(Isa::Amx);
    return amx && wins(*amx, *best) ? amx : best;
}

} // namespace

const KernelTable* table(const char* wish) {
    static const KernelTable* chosen = choose(wish);
    return chosen;
}

size_t attention_scratch_bytes(int tokens, int head_dim) {
    const auto padded = static_cast<size_t>((tokens + 31) / 32 * 32);
    const auto dim = static_cast<size_t>(head_dim);
    // keys and values, 2 bytes each; a scale per key and per dimension of the values
    return padded * dim * 4 + (padded + dim) * sizeof(float);
}

} // namespace bge::kernels
