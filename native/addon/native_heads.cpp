#include "native_heads.h"

#include "convert.h"

namespace bge::addon {

namespace {

std::vector<float> floats(const Napi::Object& from, const char* name, size_t length) {
    const auto array = from.Get(name).As<Napi::Float32Array>();
    if (array.ElementLength() != length)
        throw Error(ErrorCode::ModelLoad, std::string("The head's ") + name + " has " +
                                              std::to_string(array.ElementLength()) +
                                              " elements instead of " + std::to_string(length) +
                                              ".");
    return {array.Data(), array.Data() + length};
}

std::shared_ptr<const Heads> read_heads(size_t dim, const Napi::Object& from) {
    auto heads = std::make_shared<Heads>();
    if (from.Has("sparseWeight")) {
        Heads::Sparse sparse;
        sparse.weight = floats(from, "sparseWeight", dim);
        sparse.bias = from.Get("sparseBias").As<Napi::Number>().FloatValue();
        heads->sparse = std::move(sparse);
    }
    if (from.Has("colbertWeight")) {
        if (dim % 32 != 0)
            throw Error(ErrorCode::ModelLoad, "A ColBERT head needs a width that 32 divides.");
        const std::vector<float> weight = floats(from, "colbertWeight", dim * dim);
        const std::vector<float> bias = floats(from, "colbertBias", dim);
        heads->colbert = std::make_shared<const kernels::ColbertHead>(
            weight.data(), bias.data(), static_cast<int>(dim), static_cast<int>(dim));
    }
    return heads;
}

} // namespace

Napi::Function NativeHeads::define(Napi::Env env) {
    return DefineClass(env, "NativeHeads", {});
}

NativeHeads::NativeHeads(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeHeads>(info) {
    guarded(info.Env(), [&] {
        const auto dim = static_cast<size_t>(info[0].As<Napi::Number>().Int64Value());
        heads_ = read_heads(dim, info[1].As<Napi::Object>());
    });
}

} // namespace bge::addon
