#include "error.h"

#include <new>

namespace bge {

const char* error_code_name(ErrorCode code) {
    switch (code) {
    case ErrorCode::ModelNotFound:
        return "MODEL_NOT_FOUND";
    case ErrorCode::ModelLoad:
        return "MODEL_LOAD";
    case ErrorCode::Integrity:
        return "INTEGRITY";
    case ErrorCode::InvalidInput:
        return "INVALID_INPUT";
    case ErrorCode::InputTooLong:
        return "INPUT_TOO_LONG";
    case ErrorCode::Inference:
        return "INFERENCE";
    case ErrorCode::MemoryLimit:
        return "MEMORY_LIMIT";
    case ErrorCode::UnsupportedCpu:
        return "UNSUPPORTED_CPU";
    case ErrorCode::Disposed:
        return "DISPOSED";
    case ErrorCode::Cancelled:
        return "CANCELLED";
    }
    return "INFERENCE";
}

Error caught(ErrorCode otherwise) {
    try {
        throw;
    } catch (const Error& error) {
        return error;
    } catch (const std::bad_alloc&) {
        return {ErrorCode::MemoryLimit, "Not enough memory."};
    } catch (const std::exception& error) {
        return {otherwise, error.what()};
    }
}

} // namespace bge
