// JavaScript's handle on a tokenizer: a loaded model's, or one that was read without its weights.
#pragma once

#include <memory>

#include "../engine/model.h"
#include "napi_setup.h"

namespace bge::addon {

class NativeTokenizer : public Napi::ObjectWrap<NativeTokenizer> {
  public:
    static Napi::Function define(Napi::Env env);
    /// loadTokenizer(path): Promise<NativeTokenizer>
    static Napi::Value load(const Napi::CallbackInfo& info);
    static Napi::Object create(Napi::Env env, TokenizerFile file);

    explicit NativeTokenizer(const Napi::CallbackInfo& info);
    ~NativeTokenizer() override;

  private:
    Napi::Value info(const Napi::CallbackInfo& info);
    Napi::Value tokenize(const Napi::CallbackInfo& info);
    Napi::Value pieces(const Napi::CallbackInfo& info);
    Napi::Value release(const Napi::CallbackInfo& info);

    /// Throws Disposed once released.
    std::shared_ptr<const Tokenizer> tokenizer() const;

    TokenizerFile file_;
};

} // namespace bge::addon
