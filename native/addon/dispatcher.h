// Carries results from engine threads to the JavaScript thread of one environment (main or worker).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "napi_setup.h"

namespace bge::addon {

using JsTask = std::function<void(Napi::Env)>;

/// Closed by itself when the environment goes away.
class Dispatcher {
  public:
    explicit Dispatcher(Napi::Env env);
    Dispatcher(const Dispatcher&) = delete;
    Dispatcher& operator=(const Dispatcher&) = delete;

    /// JavaScript thread: work is under way, keep the event loop alive until finish().
    void begin();
    /// Any thread: runs `task` on the JavaScript thread and ends what begin() started. Dropped once
    /// the environment is gone.
    void finish(JsTask task);
    /// Any thread: runs `task` without counting it (log lines).
    void post(JsTask task);
    /// Called when the environment goes away, before the engine could call into it again.
    void on_close(std::function<void()> hook);

  private:
    void close();
    void enqueue(JsTask task);
    static void call_js(napi_env env, napi_value, void* context, void* data);

    const napi_env env_;
    std::mutex mutex_;
    napi_threadsafe_function function_ = nullptr; // null once closed
    int pending_ = 0;                             // JavaScript thread only
    std::vector<std::function<void()>> close_hooks_;
};

} // namespace bge::addon
