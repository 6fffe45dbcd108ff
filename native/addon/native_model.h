// JavaScript's handle on a loaded model.
#pragma once

#include <memory>

#include "../engine/model.h"
#include "napi_setup.h"

namespace bge::addon {

class NativeModel : public Napi::ObjectWrap<NativeModel> {
  public:
    static Napi::Function define(Napi::Env env);
    /// loadModel(path): Promise<NativeModel>
    static Napi::Value load(const Napi::CallbackInfo& info);

    explicit NativeModel(const Napi::CallbackInfo& info);
    ~NativeModel() override;

  private:
    Napi::Value info(const Napi::CallbackInfo& info);
    Napi::Value tokenizer(const Napi::CallbackInfo& info);
    Napi::Value session(const Napi::CallbackInfo& info);
    Napi::Value release(const Napi::CallbackInfo& info);

    std::shared_ptr<Model> model(Napi::Env env) const;

    std::shared_ptr<Model> model_;
};

} // namespace bge::addon
