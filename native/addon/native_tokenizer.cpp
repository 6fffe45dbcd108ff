#include "native_tokenizer.h"

#include <utility>

#include "../engine/pages.h"
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

struct Tokens {
    std::vector<uint32_t> ids;       // all texts' ids, one after the other
    std::vector<uint32_t> spans;     // if asked for: begin and end of each id, in UTF-16 units
    std::vector<uint32_t> counts;    // ids kept of each text
    std::vector<double> totals;      // tokens each text has; after a cut a lower bound
    std::vector<uint32_t> truncated; // 1 where a text lost its end
};

Tokens tokenize_all(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                    const EncodeOptions& options, bool count_only) {
    Tokens out;
    for (const std::string& text : texts) {
        if (count_only) {
            out.counts.push_back(0);
            out.totals.push_back(static_cast<double>(tokenizer.count(text, options.max_tokens)));
            out.truncated.push_back(0);
            continue;
        }
        Encoding encoding = tokenizer.encode(text, options);
        out.ids.insert(out.ids.end(), encoding.ids.begin(), encoding.ids.end());
        to_utf16_spans(text, encoding.spans);
        for (const TokenSpan& span : encoding.spans)
            out.spans.insert(out.spans.end(), {span.begin, span.end});
        out.counts.push_back(static_cast<uint32_t>(encoding.ids.size()));
        out.totals.push_back(static_cast<double>(encoding.total));
        out.truncated.push_back(encoding.truncated ? 1 : 0);
    }
    return out;
}

Napi::Object to_js(Napi::Env env, const Tokens& tokens) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("ids", to_uint32(env, tokens.ids));
    out.Set("spans", to_uint32(env, tokens.spans));
    out.Set("counts", to_uint32(env, tokens.counts));
    auto totals = Napi::Float64Array::New(env, tokens.totals.size());
    std::copy(tokens.totals.begin(), tokens.totals.end(), totals.Data());
    out.Set("totals", totals);
    out.Set("truncated", to_uint32(env, tokens.truncated));
    return out;
}

} // namespace

Napi::Function NativeTokenizer::define(Napi::Env env) {
    return DefineClass(env, "NativeTokenizer",
                       {
                           InstanceMethod("info", &NativeTokenizer::info),
                           InstanceMethod("tokenize", &NativeTokenizer::tokenize),
                           InstanceMethod("pieces", &NativeTokenizer::pieces),
                           InstanceMethod("release", &NativeTokenizer::release),
                       });
}

NativeTokenizer::NativeTokenizer(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NativeTokenizer>(info),
      file_(std::exchange(EnvData::of(info.Env()).new_tokenizer, {})) {
    if (!file_.tokenizer)
        throw Napi::TypeError::New(info.Env(), "Use loadTokenizer().");
}

NativeTokenizer::~NativeTokenizer() {
    if (file_.tokenizer) // a quarter of a million pieces are not freed on the event loop
        run_task([tokenizer = std::move(file_.tokenizer)] {});
}

Napi::Object NativeTokenizer::create(Napi::Env env, TokenizerFile file) {
    EnvData::of(env).new_tokenizer = std::move(file);
    return EnvData::of(env).tokenizer.New({});
}

std::shared_ptr<const Tokenizer> NativeTokenizer::tokenizer() const {
    if (!file_.tokenizer)
        throw Error(ErrorCode::Disposed, "The model was released.");
    return file_.tokenizer;
}

Napi::Value NativeTokenizer::load(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const std::string path = to_string(info[0], "path");
        return in_background(
            env, ErrorCode::ModelLoad, [path] { return load_tokenizer(path); },
            [](Napi::Env e, TokenizerFile& file) -> Napi::Value {
                return create(e, std::move(file));
            });
    });
}

Napi::Value NativeTokenizer::info(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const auto t = tokenizer();
        const bool unigram = t->vocabulary().kind() == TokenizerKind::Unigram;
        Napi::Object out = Napi::Object::New(env);
        out.Set("vocabulary", unigram ? "unigram" : "wordpiece");
        out.Set("vocabSize", t->size());
        out.Set("contextLength", file_.context_length);
        return out;
    });
}

/// tokenize(texts: string[], maxTokens, mode, spans?): see NativeTokens in lib/native/addon.ts
Napi::Value NativeTokenizer::tokenize(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const auto t = tokenizer();
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
        const auto mode = static_cast<TokenizeMode>(to_count(info[2], "mode", kModes - 1));
        EncodeOptions options;
        options.max_tokens = to_count(info[1], "maxTokens");
        options.truncate = mode == TokenizeMode::Cut;
        options.spans = info[3].ToBoolean();
        const auto work = [t, options, mode, texts = std::move(texts)] {
            return tokenize_all(*t, texts, options, mode == TokenizeMode::Count);
        };
        if (bytes > kInlineBytes)
            return in_background(env, ErrorCode::Inference, work, to_js);
        const auto deferred = Napi::Promise::Deferred::New(env);
        deferred.Resolve(to_js(env, work()));
        return deferred.Promise();
    });
}

/// pieces(ids: Uint32Array): { pieces: string[], special: Uint32Array }
Napi::Value NativeTokenizer::pieces(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
        const auto t = tokenizer();
        const auto ids = to_array<uint32_t>(info[0], "ids");
        auto pieces = Napi::Array::New(env, ids.ElementLength());
        std::vector<uint32_t> special;
        special.reserve(ids.ElementLength());
        for (size_t i = 0; i < ids.ElementLength(); ++i) {
            const std::string_view piece = t->piece(ids[i]);
            pieces.Set(static_cast<uint32_t>(i),
                       Napi::String::New(env, piece.data(), piece.size()));
            special.push_back(t->vocabulary().special(ids[i]) ? 1 : 0);
        }
        Napi::Object out = Napi::Object::New(env);
        out.Set("pieces", pieces);
        out.Set("special", to_uint32(env, special));
        return out;
    });
}

/// release(): Promise<void>, fulfilled when this handle's share of the vocabulary is given back
Napi::Value NativeTokenizer::release(const Napi::CallbackInfo& info) {
    return let_go(info.Env(), std::move(file_.tokenizer), release_free_memory);
}

} // namespace bge::addon
