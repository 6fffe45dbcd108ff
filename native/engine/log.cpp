#include "log.h"

#include <map>
#include <mutex>

#include "llama.h"

namespace bge {
namespace {

struct Hub {
    std::mutex mutex;
    std::map<int, LogSink> sinks;
    int next = 1;
};

/// Never destroyed: engine threads may still log while the process exits.
Hub& hub() {
    static Hub& instance = *new Hub;
    return instance;
}

thread_local std::string captured;
thread_local int capturing = 0;
thread_local LogLevel last_level = LogLevel::Info;

LogLevel level_of(ggml_log_level level) {
    switch (level) {
    case GGML_LOG_LEVEL_ERROR:
        return LogLevel::Error;
    case GGML_LOG_LEVEL_WARN:
        return LogLevel::Warn;
    case GGML_LOG_LEVEL_CONT: // the rest of the line before
        return last_level;
    case GGML_LOG_LEVEL_INFO:
        return LogLevel::Info;
    default:
        return LogLevel::Debug;
    }
}

void on_log(ggml_log_level raw, const char* text, void*) {
    LogLevel level = level_of(raw);
    last_level = level;
    std::string line(text ? text : "");
    while (!line.empty() && (line.back() == '\n' || line.back() == ' '))
        line.pop_back();
    if (line.empty() || line == ".")
        return;
    if (capturing > 0 && level == LogLevel::Error && captured.size() < 600)
        captured += (captured.empty() ? "" : "; ") + line;
    // Under a capture a failure becomes an Error of ours, and a cancelled batch is no failure at
    // all; what llama.cpp warns of there (our vocabulary override, our pooling) is what we told it
    // to do.
    if (capturing > 0 && level != LogLevel::Debug)
        level = level == LogLevel::Info ? LogLevel::Debug : LogLevel::Info;
    Hub& h = hub();
    const std::lock_guard<std::mutex> lock(h.mutex);
    for (const auto& [id, sink] : h.sinks)
        sink(level, line);
}

} // namespace

void install_log() {
    static const bool once = [] {
        llama_log_set(on_log, nullptr);
        return true;
    }();
    (void)once;
}

int add_log_sink(LogSink sink) {
    Hub& h = hub();
    const std::lock_guard<std::mutex> lock(h.mutex);
    h.sinks.emplace(h.next, std::move(sink));
    return h.next++;
}

void remove_log_sink(int id) {
    Hub& h = hub();
    const std::lock_guard<std::mutex> lock(h.mutex);
    h.sinks.erase(id);
}

LogCapture::LogCapture() {
    if (capturing++ == 0)
        captured.clear();
}

LogCapture::~LogCapture() {
    --capturing;
}

std::string LogCapture::errors() const {
    return captured;
}

} // namespace bge
