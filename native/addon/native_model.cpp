#include "native_model.h"

#include <utility>

#include "../engine/pages.h"
#include "native_session.h"
#include "promise.h"

namespace bge::addon {

namespace {

/// Below this many bytes of text tokenizing takes well under a millisecond: a thread would cost
/// more.
constexpr size_t kInlineBytes = 2048;

/// What JavaScript asks of `tokenize`.
enum class TokenizeMode {
    Refuse, ///< a text over the limit gives its exact total and no ids
    Cut,    ///< it loses its end
    Count,  ///< totals alone
};
constexpr uint32_t kModes = 3;

/// More threads than any machine has cores.
constexpr uint32_t kMostThreads = 4096;

struct Tokens {
    std::vector<uint32_t> ids;       // all texts' ids, one after the other
    std::vector<uint32_t> counts;    // ids kept of each text
    std::vector<double> totals;      // tokens each text has; after a cut a lower bound
    std::vector<uint32_t> truncated; // 1 where a text lost its end
};

Tokens tokenize_all(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                    size_t max_tokens, TokenizeMode mode) {
    Tokens out;
    EncodeOptions options;
    options.max_tokens = max_tokens;
    options.truncate = mode == TokenizeMode::Cut;
    for (const std::string& text : texts) {
        if (mode == TokenizeMode::Count) {
            out.counts.push_back(0);
            out.totals.push_back(static_cast<double>(tokenizer.count(text)));
            out.truncated.push_back(0);
            continue;
        }
        const Encoding encoding = tokenizer.encode(text, options);
        out.ids.insert(out.ids.end(), encoding.ids.begin(), encoding.ids.end());
        out.counts.push_back(static_cast<uint32_t>(encoding.ids.size()));
        out.totals.push_back(static_cast<double>(encoding.total));
        out.truncated.push_back(encoding.truncated ? 1 : 0);
    }
    return out;
}

Napi::Object to_js(Napi::Env env, const Tokens& tokens) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("ids", to_uint32(env, tokens.ids));
    out.Set("counts", to_uint32(env, tokens.counts));
    auto totals = Napi::Float64Array::New(env, tokens.totals.size());
    std::copy(tokens.totals.begin(), tokens.totals.end(), totals.Data());
    out.Set("totals", totals);
    out.Set("truncated", to_uint32(env, tokens.truncated));
    return out;
}

const char* pooling_name(Pooling pooling) {
    return pooling == Pooling::Rank ? "rank" : pooling == Pooling::Mean ? "mean" : "cls";
}

} // namespace

Napi::Function NativeModel::define(Napi::Env env) {
    return DefineClass(env, "NativeModel",
                       {
                           InstanceMethod("info", &NativeModel::info),
                           InstanceMethod("tokenize", &NativeModel::tokenize),
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
    out.Set("pooling", pooling_name(spec.pooling));
    out.Set("vocabulary",
            spec.vocabulary_kind == VocabularyKind::WordPiece ? "wordpiece" : "unigram");
    out.Set("standin", spec.standin);
    out.Set("weightBytes", static_cast<double>(m->weight_bytes()));
    out.Set("packsExactly", m->packs_exactly());
    Napi::Array warnings = Napi::Array::New(env);
    for (const std::string& warning : spec.warnings)
        warnings.Set(warnings.Length(), warning);
    out.Set("warnings", warnings);
    return out;
}

/// tokenize(texts: string[], maxTokens, mode): Promise<{ ids, counts, totals, truncated }>
Napi::Value NativeModel::tokenize(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const auto m = model(env);
        if (!info[0].IsArray())
            refuse("texts", "no array");
        const auto list = info[0].As<Napi::Array>();
        std::vector<std::string> texts;
        texts.reserve(list.Length());
        size_t bytes = 0;
        for (uint32_t i = 0; i < list.Length(); ++i) {
            texts.push_back(to_string(list.Get(i), "a text"));
            bytes += texts.back().size();
        }
        const size_t max_tokens = to_count(info[1], "maxTokens");
        const auto mode = static_cast<TokenizeMode>(to_count(info[2], "mode", kModes - 1));
        const auto work = [m, max_tokens, mode, texts = std::move(texts)] {
            return tokenize_all(m->tokenizer(), texts, max_tokens, mode);
        };
        if (bytes > kInlineBytes)
            return in_background(env, ErrorCode::Inference, work, to_js);
        const auto deferred = Napi::Promise::Deferred::New(env);
        deferred.Resolve(to_js(env, work()));
        return deferred.Promise();
    });
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
