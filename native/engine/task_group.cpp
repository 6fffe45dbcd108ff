#include "task_group.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace bge {
namespace {

struct Group {
    std::mutex mutex;
    std::condition_variable idle;
    int running = 0;
    std::atomic<bool> leaving{false};
};

Group& group() {
    static Group& instance = *new Group; // tasks may outlive static destruction
    return instance;
}

} // namespace

bool is_leaving() {
    return group().leaving;
}

bool run_task(std::function<void()> work) {
    Group& g = group();
    {
        const std::lock_guard<std::mutex> lock(g.mutex);
        if (g.leaving)
            return false;
        ++g.running;
    }
    auto finish = [&g] {
        const std::lock_guard<std::mutex> lock(g.mutex);
        --g.running;
        g.idle.notify_all();
    };
    try {
        std::thread([work, finish]() mutable {
            work();
            work = nullptr; // what it holds is freed before the task counts as done
            finish();
        }).detach();
    } catch (const std::exception&) { // no thread to be had: do it here rather than lose it
        work();
        finish();
    }
    return true;
}

void drain_tasks(std::chrono::milliseconds at_most) {
    Group& g = group();
    std::unique_lock<std::mutex> lock(g.mutex);
    g.leaving = true;
    g.idle.wait_for(lock, at_most, [&g] { return g.running == 0; });
}

} // namespace bge
