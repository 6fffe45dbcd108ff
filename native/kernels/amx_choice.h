// Whether a machine that has AMX should use it: found out by doing.
#pragma once

#include "kernels.h"

namespace bge::kernels {

/// Whether `fast` gives the same bits as `safe` and is faster by a twentieth, on a multiply of
/// either Quant that takes both together a millisecond or two. False without memory.
bool wins(const KernelTable& fast, const KernelTable& safe);

} // namespace bge::kernels
