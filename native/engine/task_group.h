// Background work outside the sessions (loading, tokenizing, freeing): threads that a leaving
// process can wait for, because llama.cpp's statics must not be torn down under a running load.
#pragma once

#include <chrono>
#include <functional>

namespace bge {

/// Runs `work` on a thread of its own. `work` must not throw.
/// After drain() was called work is refused: returns false and `work` is not run.
bool run_task(std::function<void()> work);

/// True once the process is leaving: long work should give up.
bool is_leaving();

/// Tells running tasks to give up and waits for them, at most this long. Refuses new ones for good.
void drain_tasks(std::chrono::milliseconds at_most);

} // namespace bge
