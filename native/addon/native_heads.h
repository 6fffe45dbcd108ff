// JavaScript's handle on a pair of heads.
#pragma once

#include <memory>

#include "../engine/output_heads.h"
#include "napi_setup.h"

namespace bge::addon {

class NativeHeads : public Napi::ObjectWrap<NativeHeads> {
  public:
    static Napi::Function define(Napi::Env env);

    /// new NativeHeads(dim, { sparseWeight?, sparseBias?, colbertWeight?, colbertBias? })
    explicit NativeHeads(const Napi::CallbackInfo& info);

    /// Those of a NativeHeads; null for null. Throws InvalidInput for anything else.
    static std::shared_ptr<const Heads> of(const Napi::Value& value);

  private:
    std::shared_ptr<const Heads> heads_;
};

} // namespace bge::addon
