#include "native_heads.h"

#include "convert.h"

namespace bge::addon {

namespace {

/// dim x dim must not overflow.
constexpr uint32_t kMostDim = 1 << 16;

// An object that comes as an argument is only ours with this on it (random bytes).
constexpr napi_type_tag kTag = {0x5cf1b2a86c0d4e93, 0xa7406d9e13f25b84};

std::vector<float> floats(const Napi::Object& from, const char* name) {
    const auto array = to_array<float>(from.Get(name), name);
    return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<float> floats(const Napi::Object& from, const char* name, size_t length) {
    std::vector<float> found = floats(from, name);
    if (found.size() != length)
        throw Error(ErrorCode::ModelLoad,
                    std::string("The head's ") + name + " has " + std::to_string(found.size()) +
                        " elements instead of " + std::to_string(length) + ".");
    return found;
}

std::shared_ptr<const Heads> read_heads(size_t dim, const Napi::Object& from) {
    auto heads = std::make_shared<Heads>();
    if (from.Has("sparseWeight")) {
        Heads::Sparse sparse;
        sparse.weight = floats(from, "sparseWeight", dim);
        const Napi::Value bias = from.Get("sparseBias");
        if (!bias.IsNumber())
            refuse("sparseBias", "no number");
        sparse.bias = bias.As<Napi::Number>().FloatValue();
        heads->sparse = std::move(sparse);
    }
    if (from.Has("colbertWeight")) {
        const std::vector<float> bias = floats(from, "colbertBias");
        const size_t width = bias.size();
        if (dim % 32 != 0 || width == 0 || width % 32 != 0 || width > kMostDim)
            throw Error(ErrorCode::ModelLoad, "A ColBERT head needs widths that 32 divides.");
        const std::vector<float> weight = floats(from, "colbertWeight", width * dim);
        heads->colbert = std::make_shared<const kernels::ColbertHead>(
            weight.data(), bias.data(), static_cast<int>(width), static_cast<int>(dim));
    }
    return heads;
}

} // namespace

Napi::Function NativeHeads::define(Napi::Env env) {
    return DefineClass(env, "NativeHeads", {});
}

NativeHeads::NativeHeads(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeHeads>(info) {
    guarded(info.Env(), [&] {
        heads_ = read_heads(to_count(info[0], "dim", kMostDim), to_object(info[1], "heads"));
        Value().TypeTag(&kTag);
    });
}

std::shared_ptr<const Heads> NativeHeads::of(const Napi::Value& value) {
    if (value.IsNull() || value.IsUndefined())
        return nullptr;
    const Napi::Object object = to_object(value, "heads");
    if (!object.CheckTypeTag(&kTag))
        refuse("heads", "no NativeHeads");
    return Unwrap(object)->heads_;
}

} // namespace bge::addon
