#include "dispatcher.h"

namespace bge::addon {

Dispatcher::Dispatcher(Napi::Env env) : env_(env) {
    const Napi::String name = Napi::String::New(env, "bge-m3-node");
    const napi_status status =
        napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
                                        &Dispatcher::call_js, &function_);
    if (status != napi_ok)
        throw Napi::Error::New(env, "No thread-safe function could be made.");
    napi_unref_threadsafe_function(env, function_);
    // Hooks run last-in first-out: this one runs before the function's own, so that no engine
    // thread can call into it while it is torn down.
    napi_add_env_cleanup_hook(
        env, [](void* self) { static_cast<Dispatcher*>(self)->close(); }, this);
}

void Dispatcher::begin() {
    if (pending_++ == 0 && function_)
        napi_ref_threadsafe_function(env_, function_);
}

void Dispatcher::finish(JsTask task) {
    enqueue([this, work = std::move(task)](Napi::Env env) {
        if (--pending_ == 0 && function_)
            napi_unref_threadsafe_function(env_, function_);
        work(env);
    });
}

void Dispatcher::post(JsTask task) {
    enqueue(std::move(task));
}

void Dispatcher::enqueue(JsTask task) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!function_)
        return;
    auto data = std::make_unique<JsTask>(std::move(task));
    if (napi_call_threadsafe_function(function_, data.get(), napi_tsfn_nonblocking) == napi_ok)
        (void)data.release(); // call_js frees it
}

void Dispatcher::call_js(napi_env env, napi_value, void*, void* raw) {
    const std::unique_ptr<JsTask> task(static_cast<JsTask*>(raw));
    if (!env) // the environment is going away
        return;
    const Napi::Env environment(env);
    try {
        const Napi::HandleScope scope(environment);
        (*task)(environment);
    } catch (...) {
        // Only a worker that is being terminated gets here: it runs no JavaScript any more, every
        // call fails (asking the error for its value, too), and nobody waits for the result.
    }
}

void Dispatcher::on_close(std::function<void()> hook) {
    close_hooks_.push_back(std::move(hook));
}

void Dispatcher::close() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (function_)
            napi_release_threadsafe_function(function_, napi_tsfn_abort);
        function_ = nullptr;
    }
    for (const auto& hook : close_hooks_)
        hook();
    close_hooks_.clear();
}

} // namespace bge::addon
