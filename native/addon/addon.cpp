// The module's functions: what the machine is, loading, logging, leaving.
#include <chrono>

#include "../engine/cpu.h"
#include "../engine/log.h"
#include "../engine/matmul.h"
#include "../engine/session.h"
#include "../engine/task_group.h"
#include "convert.h"
#include "env_classes.h"
#include "native_heads.h"
#include "native_model.h"
#include "native_session.h"
#include "native_tokenizer.h"

namespace bge::addon {
namespace {

/// How long a leaving process waits for a load to notice.
constexpr auto kLeaveDeadline = std::chrono::milliseconds(2000);

const char* level_name(LogLevel level) {
    switch (level) {
    case LogLevel::Debug:
        return "debug";
    case LogLevel::Info:
        return "info";
    case LogLevel::Warn:
        return "warn";
    case LogLevel::Error:
        return "error";
    }
    return "info";
}

/// machine(isa?): see NativeMachine in lib/native/addon.ts
Napi::Value machine(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const KernelsInUse in_use =
            kernels_in_use(info[0].IsUndefined() ? std::string() : to_string(info[0], "isa"));
        Napi::Object out = Napi::Object::New(env);
        out.Set("isa", in_use.isa);
        out.Set("quantization", in_use.quantization);
        Napi::Array features = Napi::Array::New(env);
        for (const std::string& feature : cpu_features())
            features.Set(features.Length(), feature);
        out.Set("cpuFeatures", features);
        out.Set("defaultThreads", default_threads());
        const uint64_t available = available_memory();
        out.Set("availableMemory", available == UINT64_MAX
                                       ? env.Null()
                                       : Napi::Number::New(env, static_cast<double>(available)));
        out.Set("residentMemory", static_cast<double>(resident_memory()));
        return out;
    });
}

/// setLogger(fn | null): fn(level, line) gets llama.cpp's log
Napi::Value set_logger(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    EnvData& data = EnvData::of(env);
    if (data.log_sink) {
        remove_log_sink(data.log_sink);
        data.log_sink = 0;
    }
    data.logger.Reset();
    if (!info[0].IsFunction())
        return env.Undefined();
    data.logger = Napi::Persistent(info[0].As<Napi::Function>());
    data.log_sink =
        add_log_sink([dispatcher = data.dispatcher](LogLevel level, const std::string& line) {
            dispatcher->post([level, line](Napi::Env e) {
                const EnvData& d = EnvData::of(e);
                if (!d.logger.IsEmpty())
                    d.logger.Call(
                        {Napi::String::New(e, level_name(level)), Napi::String::New(e, line)});
            });
        });
    data.dispatcher->on_close([sink = data.log_sink] { remove_log_sink(sink); });
    return env.Undefined();
}

/// matmulTransposed(a, b, out: Float32Array, m, n, k): see engine/matmul.h
Napi::Value matmul(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const auto a = to_array<float>(info[0], "a");
        const auto b = to_array<float>(info[1], "b");
        auto out = to_array<float>(info[2], "out");
        const uint64_t m = to_count(info[3], "m");
        const uint64_t n = to_count(info[4], "n");
        const uint64_t k = to_count(info[5], "k");
        // below 2^32 each, so that no product overflows
        if (m * k > a.ElementLength() || n * k > b.ElementLength() || m * n > out.ElementLength())
            throw Error(ErrorCode::InvalidInput, "A matrix is smaller than its shape says.");
        matmul_transposed(a.Data(), b.Data(), out.Data(), m, n, k);
        return env.Undefined();
    });
}

/// shutdown(): the process is leaving; stops every engine thread in it
Napi::Value shutdown(const Napi::CallbackInfo& info) {
    Session::stop_all();
    drain_tasks(kLeaveDeadline);
    return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    guarded(env, [] { require_supported_cpu(); });
    install_log();
    auto data = std::make_unique<EnvData>();
    data->dispatcher = std::make_shared<Dispatcher>(env);
    data->model = Napi::Persistent(NativeModel::define(env));
    data->session = Napi::Persistent(NativeSession::define(env));
    data->tokenizer = Napi::Persistent(NativeTokenizer::define(env));
    env.SetInstanceData<EnvData>(data.release()); // the environment owns it from here

    exports.Set("machine", Napi::Function::New(env, machine, "machine"));
    exports.Set("loadModel", Napi::Function::New(env, NativeModel::load, "loadModel"));
    exports.Set("loadTokenizer", Napi::Function::New(env, NativeTokenizer::load, "loadTokenizer"));
    exports.Set("NativeHeads", NativeHeads::define(env));
    exports.Set("setLogger", Napi::Function::New(env, set_logger, "setLogger"));
    exports.Set("matmulTransposed", Napi::Function::New(env, matmul, "matmulTransposed"));
    exports.Set("shutdown", Napi::Function::New(env, shutdown, "shutdown"));
    return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, init)

} // namespace
} // namespace bge::addon
