// The constructors of our classes in one environment, and its dispatcher.
#pragma once

#include <memory>

#include "dispatcher.h"
#include "napi_setup.h"

namespace bge::addon {

struct EnvData {
    std::shared_ptr<Dispatcher> dispatcher;
    Napi::FunctionReference model;
    Napi::FunctionReference session;
    Napi::FunctionReference logger;
    int log_sink = 0;

    static EnvData& of(Napi::Env env) { return *env.GetInstanceData<EnvData>(); }
};

} // namespace bge::addon
