#include "compute_slot.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>

#include "error.h"

namespace bge {
namespace {

struct Queue {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<uint64_t> waiting; // tickets; the front one holds the slot
    uint64_t next = 0;
};

Queue& queue() {
    static Queue& instance = *new Queue; // engine threads may outlive static destruction
    return instance;
}

} // namespace

ComputeSlot::ComputeSlot(const std::function<bool()>& give_up) {
    Queue& q = queue();
    std::unique_lock<std::mutex> lock(q.mutex);
    const uint64_t ticket = q.next++;
    q.waiting.push_back(ticket);
    while (q.waiting.front() != ticket) {
        q.changed.wait_for(lock, std::chrono::milliseconds(20));
        if (q.waiting.front() != ticket && give_up()) {
            for (auto it = q.waiting.begin(); it != q.waiting.end(); ++it) {
                if (*it == ticket) {
                    q.waiting.erase(it);
                    break;
                }
            }
            throw Error(ErrorCode::Cancelled, "Cancelled while it waited.");
        }
    }
}

ComputeSlot::~ComputeSlot() {
    Queue& q = queue();
    {
        const std::lock_guard<std::mutex> lock(q.mutex);
        q.waiting.pop_front();
    }
    q.changed.notify_all();
}

} // namespace bge
