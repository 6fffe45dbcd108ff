// Giving memory back to the system.
#pragma once

#include <cstddef>

namespace bge {

/// Hands the allocator's free pages back to the system.
void release_free_memory();

/// Hands back the pages under `bytes` bytes that will be written before they are read again: what
/// they hold is lost. The page in which they begin goes as a whole, so nothing that is needed may
/// lie before them in it; the page in which they end is kept.
void discard_pages(void* begin, size_t bytes);

} // namespace bge
