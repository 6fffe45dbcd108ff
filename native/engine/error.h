// Errors of the native side: a stable code and a message that never holds a user's text.
#pragma once

#include <stdexcept>
#include <string>

namespace bge {

enum class ErrorCode {
    ModelNotFound,
    ModelLoad,
    Integrity,
    InvalidInput,
    InputTooLong,
    Inference,
    MemoryLimit,
    UnsupportedCpu,
    Disposed,
    Cancelled,
};

/// The name that crosses into TypeScript (`EmbedderError.code`), e.g. "MODEL_LOAD".
const char* error_code_name(ErrorCode code);

class Error : public std::runtime_error {
  public:
    Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
    ErrorCode code() const { return code_; }

  private:
    ErrorCode code_;
};

/// In a catch block: what was caught, as one of ours. Memory that ran out has its own code,
/// whatever is neither gets `otherwise`.
Error caught(ErrorCode otherwise);

} // namespace bge
