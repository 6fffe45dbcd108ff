// The one place that includes napi.h, so that its settings are the same everywhere.
#pragma once

#define NAPI_VERSION 8
#define NAPI_CPP_EXCEPTIONS
// Electron forbids buffers that point outside V8's cage: results are copied (a few KB each).
#define NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
// In a worker that is being terminated no JavaScript exception can be thrown any more: the wrapper
// would end the process because of that, this makes it return instead.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>
