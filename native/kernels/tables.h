// The tables that may be compiled in; see CMakeLists.txt for which are (BGE_HAVE_*).
#pragma once

#include "kernels.h"

namespace bge::kernels {

const KernelTable& generic_table();
const KernelTable& avx2_table();
const KernelTable& avxvnni_table();
const KernelTable& avx512vnni_table();
const KernelTable& amx_table();
const KernelTable& neon_table();
const KernelTable& neon_i8mm_table();

} // namespace bge::kernels
