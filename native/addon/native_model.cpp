#include "native_model.h"

#include <utility>

#include "../engine/model_file/model_modules.h"
#include "../engine/pages.h"
#include "native_session.h"
#include "native_tokenizer.h"
#include "promise.h"

namespace bge::addon {

namespace {

/// More threads than any machine has cores.
constexpr uint32_t kMostThreads = 4096;

/// "cls", or several as "cls+mean".
std::string pooling_names(const std::vector<Pooling>& poolings) {
    std::string names;
    for (const Pooling one : poolings)
        names += (names.empty() ? "" : "+") + std::string(pooling_name(one));
    return names;
}

} // namespace

Napi::Function NativeModel::define(Napi::Env env) {
    return DefineClass(env, "NativeModel",
                       {
                           InstanceMethod("info", &NativeModel::info),
                           InstanceMethod("tokenizer", &NativeModel::tokenizer),
                           InstanceMethod("session", &NativeModel::session),
                           InstanceMethod("release", &NativeModel::release),
                       });
}

NativeModel::NativeModel(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NativeModel>(info), model_(std::move(EnvData::of(info.Env()).new_model)) {
    if (!model_)
        throw Napi::TypeError::New(info.Env(), "Use loadModel().");
}

NativeModel::~NativeModel() {
    if (model_) // freeing hundreds of megabytes does not belong on the event loop
        run_task([model = std::move(model_)] {});
}

std::shared_ptr<Model> NativeModel::model(Napi::Env env) const {
    if (!model_)
        throw Napi::Error(env,
                          to_js_error(env, Error(ErrorCode::Disposed, "The model was released.")));
    return model_;
}

Napi::Value NativeModel::load(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        LoadOptions options;
        options.path = to_string(info[0], "path");
        options.cancelled = is_leaving;
        return in_background(
            env, ErrorCode::ModelLoad, [options] { return Model::load(options); },
            [](Napi::Env e, std::shared_ptr<Model>& model) -> Napi::Value {
                EnvData::of(e).new_model = std::move(model);
                return EnvData::of(e).model.New({});
            });
    });
}

Napi::Value NativeModel::info(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto m = model(env);
    const ModelSpec& spec = m->spec();
    Napi::Object out = Napi::Object::New(env);
    out.Set("architecture", spec.architecture);
    out.Set("name", spec.name);
    out.Set("layers", spec.layers);
    out.Set("dim", spec.dim);
    out.Set("heads", spec.heads);
    out.Set("ffn", spec.ffn);
    out.Set("contextLength", spec.context_length);
    out.Set("vocabSize", spec.vocab_size);
    out.Set("denseDim", spec.dense_dim);
    out.Set("pooling", pooling_names(spec.pooling));
    out.Set("standin", spec.standin);
    out.Set("weightBytes", static_cast<double>(m->weight_bytes()));
    out.Set("packsExactly", m->packs_exactly());
    Napi::Array warnings = Napi::Array::New(env);
    for (const std::string& warning : spec.warnings)
        warnings.Set(warnings.Length(), warning);
    out.Set("warnings", warnings);
    return out;
}

/// tokenizer(): NativeTokenizer
Napi::Value NativeModel::tokenizer(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto m = model(env);
    return NativeTokenizer::create(env, {m->shared_tokenizer(), m->spec().context_length});
}

/// session(threads): NativeSession
Napi::Value NativeModel::session(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        SessionOptions options;
        options.threads = static_cast<int>(to_count(info[0], "threads", kMostThreads));
        return NativeSession::create(env, Session::shared(model(env), options));
    });
}

/// release(): Promise<void>, fulfilled when this handle's share of the weights is given back
Napi::Value NativeModel::release(const Napi::CallbackInfo& info) {
    // what loading built and threw away stays with the allocator otherwise
    return let_go(info.Env(), std::move(model_), release_free_memory);
}

} // namespace bge::addon
