// The constructors of our classes in one environment, and its dispatcher.
#pragma once

#include <memory>

#include "../engine/session.h"
#include "dispatcher.h"
#include "napi_setup.h"

namespace bge::addon {

struct EnvData {
    std::shared_ptr<Dispatcher> dispatcher;
    Napi::FunctionReference model;
    Napi::FunctionReference session;
    Napi::FunctionReference tokenizer;
    /// What the next object of each class wraps: its alone to take, so that no constructor
    /// can be handed another pointer from JavaScript.
    std::shared_ptr<Model> new_model;
    std::shared_ptr<Session> new_session;
    TokenizerFile new_tokenizer;
    Napi::FunctionReference logger;
    int log_sink = 0;

    static EnvData& of(Napi::Env env) { return *env.GetInstanceData<EnvData>(); }
};

} // namespace bge::addon
