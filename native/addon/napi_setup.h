// The one place that includes napi.h, so that its settings are the same everywhere.
#pragma once

#define NAPI_VERSION 8
#define NAPI_CPP_EXCEPTIONS
// Electron forbids buffers that point outside V8's cage: results are copied (a few KB each).
#define NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
#include <napi.h>
