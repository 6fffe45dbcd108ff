#include "native_session.h"

#include <utility>

#include "native_heads.h"
#include "promise.h"

namespace bge::addon {

struct NativeSession::Batches {
    std::mutex mutex;
    std::map<uint32_t, std::shared_ptr<Batch>> by_id;

    /// Null for a batch that is done.
    std::shared_ptr<Batch> find(uint32_t id) {
        const std::lock_guard<std::mutex> lock(mutex);
        const auto found = by_id.find(id);
        return found == by_id.end() ? nullptr : found->second;
    }
    void cancel_all() {
        const std::lock_guard<std::mutex> lock(mutex);
        for (const auto& [id, batch] : by_id)
            batch->cancelled = true;
    }
};

namespace {

/// { pooled, queueMs, computeMs, sparse?: { counts, indices, values }, colbert?, states? }
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
    if (outputs & kStates)
        out.Set("states", to_float32(env, result.states));
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
    EnvData::of(env).new_session = std::move(session);
    return EnvData::of(env).session.New({});
}

NativeSession::NativeSession(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NativeSession>(info),
      session_(std::move(EnvData::of(info.Env()).new_session)),
      batches_(std::make_shared<Batches>()) {
    if (!session_)
        throw Napi::TypeError::New(info.Env(), "Use NativeModel.session().");
    // a worker that ends must not leave its work running
    EnvData::of(info.Env()).dispatcher->on_close([batches = batches_] { batches->cancel_all(); });
}

NativeSession::~NativeSession() {
    batches_->cancel_all();
    if (session_) // the last owner joins the engine's thread: not on the event loop
        run_task([session = std::move(session_)]() mutable { session.reset(); });
}

Session& NativeSession::session() const {
    if (!session_)
        throw Error(ErrorCode::Disposed, "The session was released.");
    return *session_;
}

/// run(id, tokens: Int32Array, lengths: Uint32Array, outputs, heads | null, firsts: Uint32Array |
/// null): Promise, see to_js
Napi::Value NativeSession::run(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        Session& engine = session();
        const uint32_t id = to_count(info[0], "id");
        const auto tokens = to_array<int32_t>(info[1], "tokens");
        const auto lengths = to_array<uint32_t>(info[2], "lengths");
        const uint32_t outputs =
            to_count(info[3], "outputs", kDense | kSparse | kColbert | kStates);

        auto batch = std::make_shared<Batch>();
        batch->tokens.assign(tokens.Data(), tokens.Data() + tokens.ElementLength());
        batch->lengths.assign(lengths.Data(), lengths.Data() + lengths.ElementLength());
        batch->outputs = outputs;
        batch->heads = NativeHeads::of(info[4]);
        if (!info[5].IsNull() && !info[5].IsUndefined()) {
            const auto firsts = to_array<uint32_t>(info[5], "firsts");
            batch->firsts.assign(firsts.Data(), firsts.Data() + firsts.ElementLength());
        }
        const Pending pending(env);
        batch->done = [pending, id, outputs, batches = batches_](BatchResult&& result) {
            {
                const std::lock_guard<std::mutex> lock(batches->mutex);
                batches->by_id.erase(id);
            }
            if (result.error)
                return pending.reject(*result.error);
            pending.resolve(std::move(result), [outputs](Napi::Env e, const BatchResult& r) {
                return to_js(e, r, outputs);
            });
        };
        {
            const std::lock_guard<std::mutex> lock(batches_->mutex);
            batches_->by_id[id] = batch;
        }
        try {
            engine.submit(batch);
        } catch (const Error& error) {
            BatchResult refused;
            refused.error = error;
            batch->done(std::move(refused));
        }
        return pending.promise();
    });
}

/// cancel(id): void
Napi::Value NativeSession::cancel(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
        if (const std::shared_ptr<Batch> batch = batches_->find(to_count(info[0], "id")))
            batch->cancelled = true;
        return info.Env().Undefined();
    });
}

/// withdraw(id): boolean, whether the batch had not begun; its promise rejects as cancelled then
Napi::Value NativeSession::withdraw(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const std::shared_ptr<Batch> batch = batches_->find(to_count(info[0], "id"));
        return Napi::Boolean::New(env, batch && session_ && session_->withdraw(batch));
    });
}

/// contextBytes(tokens): bytes that the context for a batch of so many tokens takes
Napi::Value NativeSession::context_bytes(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const uint32_t tokens = to_count(info[0], "tokens");
        return Napi::Number::New(env, static_cast<double>(session().context_bytes(tokens)));
    });
}

/// stats(): { threads, contextTokens, contextBytes }
Napi::Value NativeSession::stats(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const Session& engine = session();
        Napi::Object out = Napi::Object::New(env);
        out.Set("threads", engine.threads());
        out.Set("contextTokens", engine.context_tokens());
        out.Set("contextBytes", static_cast<double>(engine.context_bytes(engine.context_tokens())));
        return out;
    });
}

/// release(): Promise<void>, fulfilled when the thread has ended if this was the last handle
Napi::Value NativeSession::release(const Napi::CallbackInfo& info) {
    batches_->cancel_all();
    return let_go(info.Env(), std::move(session_));
}

} // namespace bge::addon
