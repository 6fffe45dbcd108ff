// Giving memory back to the system.
#pragma once

#include <cstddef>

namespace bge {

/// Hands the allocator's free pages back to the system.
void release_free_memory();

/// Keeps the allocator from hoarding. glibc raises its thresholds to the largest block that was
/// ever freed: after a model's weights every thread's arena may keep tens of megabytes, and blocks
/// of that size come from arenas, where they leave holes. Fixed thresholds (4 MiB and more straight
/// from the system, at most 8 MiB kept) prevent it; they hold for the process, and whoever set
/// their own by MALLOC_* or GLIBC_TUNABLES is left alone. Once, on first use.
void limit_hoarding();

/// Hands back the pages under `bytes` bytes that will be written before they are read again: what
/// they hold is lost, and so may be what the `spare` bytes right before them hold. Nothing else is
/// touched: a page that others share stays.
void discard_pages(void* begin, size_t bytes, size_t spare);

} // namespace bge
