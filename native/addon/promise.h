// Promises that engine threads settle.
#pragma once

#include <memory>
#include <utility>

#include "../engine/task_group.h"
#include "convert.h"
#include "env_classes.h"

namespace bge::addon {

/// A promise under way, which keeps the event loop alive until it is settled: once, from any
/// thread. Made on the JavaScript thread.
class Pending {
  public:
    explicit Pending(Napi::Env env)
        : deferred_(Napi::Promise::Deferred::New(env)), dispatcher_(EnvData::of(env).dispatcher) {
        dispatcher_->begin();
    }
    Napi::Promise promise() const { return deferred_.Promise(); }
    /// With to_js(env, value), called on the JavaScript thread.
    template <class T, class ToJs> void resolve(T&& value, ToJs to_js) const {
        auto held = std::make_shared<std::decay_t<T>>(std::forward<T>(value));
        dispatcher_->finish([deferred = deferred_, held, to_js](Napi::Env env) {
            deferred.Resolve(to_js(env, *held));
        });
    }
    void reject(const Error& error) const {
        dispatcher_->finish([deferred = deferred_, error](Napi::Env env) {
            deferred.Reject(to_js_error(env, error));
        });
    }

  private:
    Napi::Promise::Deferred deferred_;
    std::shared_ptr<Dispatcher> dispatcher_;
};

/// to_js(env, work()), with `work` on a thread of its own; refused when the process is leaving.
/// @param otherwise the code of what `work` throws beside engine errors and want of memory
template <class Work, class ToJs>
Napi::Promise in_background(Napi::Env env, ErrorCode otherwise, Work work, ToJs to_js) {
    const Pending pending(env);
    const bool accepted = run_task([pending, otherwise, work = std::move(work), to_js]() mutable {
        try {
            pending.resolve(work(), to_js);
        } catch (const std::exception&) {
            pending.reject(caught(otherwise));
        }
    });
    if (!accepted)
        pending.reject(Error(ErrorCode::Disposed, "The process is leaving."));
    return pending.promise();
}

/// Lets go of what `held` points to and then calls `after`, on a thread of its own; here when the
/// process is leaving.
template <class T>
Napi::Promise let_go(
    Napi::Env env, std::shared_ptr<T> held, void (*after)() = [] {}) {
    const Pending pending(env);
    auto owner = std::make_shared<std::shared_ptr<T>>(std::move(held));
    const auto work = [pending, owner, after] {
        owner->reset();
        after();
        pending.resolve(0, [](Napi::Env e, int) { return e.Undefined(); });
    };
    if (!run_task(work))
        work();
    return pending.promise();
}

} // namespace bge::addon
