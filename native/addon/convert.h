// Between engine values and JavaScript values.
#pragma once

#include <cstdint>
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
    } catch (const Error& error) {
        throw Napi::Error(env, to_js_error(env, error));
    } catch (const Napi::Error&) {
        throw;
    } catch (const std::bad_alloc&) {
        throw Napi::Error(env, to_js_error(env, Error(ErrorCode::MemoryLimit, "Out of memory.")));
    } catch (const std::exception& error) {
        throw Napi::Error(env, to_js_error(env, Error(ErrorCode::Inference, error.what())));
    }
}

Napi::Float32Array to_float32(Napi::Env env, const std::vector<float>& values);
Napi::Uint32Array to_uint32(Napi::Env env, const std::vector<uint32_t>& values);

} // namespace bge::addon
