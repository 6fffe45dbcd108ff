// JavaScript's handle on a session (shared with others who load the same model).
#pragma once

#include <map>
#include <memory>

#include "../engine/session.h"
#include "napi_setup.h"

namespace bge::addon {

class NativeSession : public Napi::ObjectWrap<NativeSession> {
  public:
    static Napi::Function define(Napi::Env env);
    static Napi::Object create(Napi::Env env, std::shared_ptr<Session> session);

    explicit NativeSession(const Napi::CallbackInfo& info);
    ~NativeSession() override;

  private:
    /// Batches of this handle that have not ended, by the number JavaScript gave them. Shared with
    /// the engine's callbacks, which may outlive the handle.
    struct Batches;

    /// Throws Disposed once released.
    Session& session() const;

    Napi::Value run(const Napi::CallbackInfo& info);
    Napi::Value cancel(const Napi::CallbackInfo& info);
    Napi::Value withdraw(const Napi::CallbackInfo& info);
    Napi::Value context_bytes(const Napi::CallbackInfo& info);
    Napi::Value stats(const Napi::CallbackInfo& info);
    Napi::Value release(const Napi::CallbackInfo& info);

    std::shared_ptr<Session> session_;
    std::shared_ptr<Batches> batches_;
};

} // namespace bge::addon
