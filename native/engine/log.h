// llama.cpp logs through one process-wide callback; this turns it into something that can be
// subscribed to, and keeps the last errors so that a failed load can say why.
#pragma once

#include <functional>
#include <string>

namespace bge {

enum class LogLevel { Debug, Info, Warn, Error };

using LogSink = std::function<void(LogLevel, const std::string&)>;

/// Routes llama.cpp's and ggml's log here. Idempotent.
void install_log();

/// Adds a sink; lines come from any thread. Returns an id for remove_log_sink.
int add_log_sink(LogSink sink);
void remove_log_sink(int id);

/// The errors that this thread logged while the object lives.
class LogCapture {
  public:
    LogCapture();
    ~LogCapture();
    LogCapture(const LogCapture&) = delete;
    LogCapture& operator=(const LogCapture&) = delete;
    /// Error lines joined by "; ", cut to a readable length.
    std::string errors() const;
};

} // namespace bge
