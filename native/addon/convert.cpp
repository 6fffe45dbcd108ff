#include "convert.h"

#include <cstring>

namespace bge::addon {

Napi::Value to_js_error(Napi::Env env, const Error& error) {
    Napi::Object value = Napi::Error::New(env, error.what()).Value();
    value.Set("code", error_code_name(error.code()));
    return value;
}

Napi::Float32Array to_float32(Napi::Env env, const std::vector<float>& values) {
    auto array = Napi::Float32Array::New(env, values.size());
    if (!values.empty())
        std::memcpy(array.Data(), values.data(), values.size() * sizeof(float));
    return array;
}

Napi::Uint32Array to_uint32(Napi::Env env, const std::vector<uint32_t>& values) {
    auto array = Napi::Uint32Array::New(env, values.size());
    if (!values.empty())
        std::memcpy(array.Data(), values.data(), values.size() * sizeof(uint32_t));
    return array;
}

} // namespace bge::addon
