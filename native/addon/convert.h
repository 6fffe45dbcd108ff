// Between engine values and JavaScript values.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../engine/error.h"
#include "napi_setup.h"

namespace bge::addon {

/// An Error object with `code`; lib/native turns it into the class of that code.
Napi::Value to_js_error(Napi::Env env, const Error& error);

/// Runs `body`; an engine error becomes a JavaScript exception with the same code.
template <class F> auto guarded(Napi::Env env, F&& body) -> decltype(body()) {
    try {
        return body();
    } catch (const Napi::Error&) {
        throw;
    } catch (const std::exception&) {
        throw Napi::Error(env, to_js_error(env, caught(ErrorCode::Inference)));
    }
}

// Values from JavaScript; one that is something else throws InvalidInput with its name.
std::string to_string(const Napi::Value& value, const char* name);
/// A whole number of at most `most`.
uint32_t to_count(const Napi::Value& value, const char* name, uint32_t most = UINT32_MAX);
Napi::Object to_object(const Napi::Value& value, const char* name);
[[noreturn]] void refuse(const char* name, const char* found);

/// Float32Array, Int32Array or Uint32Array, by T: one of another type would be read past its end.
template <class T> Napi::TypedArrayOf<T> to_array(const Napi::Value& value, const char* name) {
    constexpr bool kFloat = std::is_same_v<T, float>, kSigned = std::is_same_v<T, int32_t>;
    static_assert(kFloat || kSigned || std::is_same_v<T, uint32_t>);
    constexpr napi_typedarray_type kType = kFloat    ? napi_float32_array
                                           : kSigned ? napi_int32_array
                                                     : napi_uint32_array;
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != kType)
        refuse(name, "no array of its type");
    return value.As<Napi::TypedArrayOf<T>>();
}

Napi::Float32Array to_float32(Napi::Env env, const std::vector<float>& values);
Napi::Uint32Array to_uint32(Napi::Env env, const std::vector<uint32_t>& values);

} // namespace bge::addon
