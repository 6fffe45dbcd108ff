#include "convert.h"

#include <cmath>
#include <cstring>

namespace bge::addon {

Napi::Value to_js_error(Napi::Env env, const Error& error) {
    Napi::Object value = Napi::Error::New(env, error.what()).Value();
    value.Set("code", error_code_name(error.code()));
    return value;
}

void refuse(const char* name, const char* found) {
    throw Error(ErrorCode::InvalidInput, std::string(name) + " is " + found + ".");
}

std::string to_string(const Napi::Value& value, const char* name) {
    if (!value.IsString())
        refuse(name, "no string");
    return value.As<Napi::String>().Utf8Value();
}

uint32_t to_count(const Napi::Value& value, const char* name, uint32_t most) {
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
    if (!(number >= 0 && number <= most) || std::floor(number) != number)
        refuse(name, "no whole number in its range");
    return static_cast<uint32_t>(number);
}

Napi::Object to_object(const Napi::Value& value, const char* name) {
    if (!value.IsObject())
        refuse(name, "no object");
    return value.As<Napi::Object>();
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
