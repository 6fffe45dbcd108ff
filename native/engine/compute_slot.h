// One graph computes at a time in a process: two sessions with a thread per core each would make
// every barrier of both wait for a thread that is not running.
#pragma once

#include <functional>

namespace bge {

/// Holds the process's compute slot while it lives; taken in the order of asking.
/// `give_up` is looked at while waiting: when it says true the constructor throws Cancelled.
class ComputeSlot {
  public:
    explicit ComputeSlot(const std::function<bool()>& give_up);
    ~ComputeSlot();
    ComputeSlot(const ComputeSlot&) = delete;
    ComputeSlot& operator=(const ComputeSlot&) = delete;
};

} // namespace bge
