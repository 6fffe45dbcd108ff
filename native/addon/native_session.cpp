#include "native_session.h"

#include <utility>

#include "../engine/task_group.h"
#include "convert.h"
#include "env_classes.h"
#include "native_heads.h"

namespace bge::addon {

struct NativeSession::Pending {
    std::mutex mutex;
    std::map<uint32_t, std::shared_ptr<Batch>> batches;

    /// Null for a batch that is done.
    std::shared_ptr<Batch> find(uint32_t id) {
        const std::lock_guard<std::mutex> lock(mutex);
        const auto found = batches.find(id);
        return found == batches.end() ? nullptr : found->second;
    }
    void cancel_all() {
        const std::lock_guard<std::mutex> lock(mutex);
        for (const auto& [id, batch] : batches)
            batch->cancelled = true;
    }
};

namespace {

/// { pooled, queueMs, computeMs, sparse?: { counts, indices, values }, colbert? }
Napi::Object to_js(Napi::Env env, const BatchResult& result, uint32_t outputs) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("pooled", to_float32(env, result.pooled));
    out.Set("queueMs", result.queue_ms);
    out.Set("computeMs", result.compute_ms);
    if (outputs & kSparse) {
        std::vector<uint32_t> counts;
        std::vector<uint32_t> indices;
        std::vector<float> values;
        for (const SparseVector& one : result.sparse) {
            counts.push_back(static_cast<uint32_t>(one.indices.size()));
            indices.insert(indices.end(), one.indices.begin(), one.indices.end());
            values.insert(values.end(), one.values.begin(), one.values.end());
        }
        Napi::Object sparse = Napi::Object::New(env);
        sparse.Set("counts", to_uint32(env, counts));
        sparse.Set("indices", to_uint32(env, indices));
        sparse.Set("values", to_float32(env, values));
        out.Set("sparse", sparse);
    }
    if (outputs & kColbert)
        out.Set("colbert", to_float32(env, result.colbert));
    return out;
}

} // namespace

Napi::Function NativeSession::define(Napi::Env env) {
    return DefineClass(env, "NativeSession",
                       {
                           InstanceMethod("run", &NativeSession::run),
                           InstanceMethod("cancel", &NativeSession::cancel),
                           InstanceMethod("withdraw", &NativeSession::withdraw),
                           InstanceMethod("contextBytes", &NativeSession::context_bytes),
                           InstanceMethod("stats", &NativeSession::stats),
                           InstanceMethod("release", &NativeSession::release),
                       });
}

Napi::Object NativeSession::create(Napi::Env env, std::shared_ptr<Session> session) {
    auto external = Napi::External<std::shared_ptr<Session>>::New(env, &session);
    return EnvData::of(env).session.New({external});
}

NativeSession::NativeSession(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NativeSession>(info), pending_(std::make_shared<Pending>()) {
    if (info.Length() != 1 || !info[0].IsExternal())
        throw Napi::TypeError::New(info.Env(), "Use NativeModel.session().");
    session_ = *info[0].As<Napi::External<std::shared_ptr<Session>>>().Data();
    // a worker that ends must not leave its work running
    EnvData::of(info.Env()).dispatcher->on_close([pending = pending_] { pending->cancel_all(); });
}

NativeSession::~NativeSession() {
    pending_->cancel_all();
    if (session_) // the last owner joins the engine's thread: not on the event loop
        run_task([session = std::move(session_)]() mutable { session.reset(); });
}

/// run(id, tokens: Int32Array, lengths: Uint32Array, outputs, heads | null): Promise, see to_js
Napi::Value NativeSession::run(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        if (!session_)
            throw Error(ErrorCode::Disposed, "The session was released.");
        const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
        const auto tokens = info[1].As<Napi::Int32Array>();
        const auto lengths = info[2].As<Napi::Uint32Array>();

        auto batch = std::make_shared<Batch>();
        batch->tokens.assign(tokens.Data(), tokens.Data() + tokens.ElementLength());
        batch->lengths.assign(lengths.Data(), lengths.Data() + lengths.ElementLength());
        const uint32_t outputs = info[3].As<Napi::Number>().Uint32Value();
        batch->outputs = outputs;
        if (info[4].IsObject())
            batch->heads = NativeHeads::Unwrap(info[4].As<Napi::Object>())->heads();
        const auto deferred = Napi::Promise::Deferred::New(env);
        const std::shared_ptr<Dispatcher> dispatcher = EnvData::of(env).dispatcher;
        batch->done = [dispatcher, deferred, id, outputs, pending = pending_](BatchResult&& raw) {
            {
                const std::lock_guard<std::mutex> lock(pending->mutex);
                pending->batches.erase(id);
            }
            auto result = std::make_shared<BatchResult>(std::move(raw));
            dispatcher->finish([deferred, result, outputs](Napi::Env e) {
                if (result->error) {
                    deferred.Reject(to_js_error(e, *result->error));
                    return;
                }
                deferred.Resolve(to_js(e, *result, outputs));
            });
        };
        {
            const std::lock_guard<std::mutex> lock(pending_->mutex);
            pending_->batches[id] = batch;
        }
        dispatcher->begin();
        try {
            session_->submit(batch);
        } catch (const Error& error) {
            BatchResult refused;
            refused.error = error;
            batch->done(std::move(refused));
        }
        return deferred.Promise();
    });
}

/// cancel(id): void
Napi::Value NativeSession::cancel(const Napi::CallbackInfo& info) {
    const std::shared_ptr<Batch> batch = pending_->find(info[0].As<Napi::Number>().Uint32Value());
    if (batch)
        batch->cancelled = true;
    return info.Env().Undefined();
}

/// withdraw(id): boolean, whether the batch had not begun; its promise rejects as cancelled then
Napi::Value NativeSession::withdraw(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const std::shared_ptr<Batch> batch =
            pending_->find(info[0].As<Napi::Number>().Uint32Value());
        return Napi::Boolean::New(env, batch && session_ && session_->withdraw(batch));
    });
}

/// contextBytes(tokens): bytes that the context for a batch of so many tokens takes
Napi::Value NativeSession::context_bytes(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        if (!session_)
            throw Error(ErrorCode::Disposed, "The session was released.");
        const uint32_t tokens = info[0].As<Napi::Number>().Uint32Value();
        return Napi::Number::New(env, static_cast<double>(session_->context_bytes(tokens)));
    });
}

/// stats(): { threads, contextTokens, contextBytes }
Napi::Value NativeSession::stats(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        if (!session_)
            throw Error(ErrorCode::Disposed, "The session was released.");
        Napi::Object out = Napi::Object::New(env);
        out.Set("threads", session_->threads());
        out.Set("contextTokens", session_->context_tokens());
        out.Set("contextBytes",
                static_cast<double>(session_->context_bytes(session_->context_tokens())));
        return out;
    });
}

/// release(): Promise<void>, fulfilled when the thread has ended if this was the last handle
Napi::Value NativeSession::release(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    pending_->cancel_all();
    const auto deferred = Napi::Promise::Deferred::New(env);
    const std::shared_ptr<Dispatcher> dispatcher = EnvData::of(env).dispatcher;
    dispatcher->begin();
    auto held = std::make_shared<std::shared_ptr<Session>>(std::move(session_));
    auto work = [dispatcher, deferred, held] {
        held->reset();
        dispatcher->finish([deferred](Napi::Env e) { deferred.Resolve(e.Undefined()); });
    };
    if (!run_task(work))
        work();
    return deferred.Promise();
}

} // namespace bge::addon
