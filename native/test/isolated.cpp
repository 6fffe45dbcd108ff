#include "isolated.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BGE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BGE_SANITIZED 1
#endif
#endif

namespace bge::test {

namespace {

void limit_child(const IsolatedOptions& options) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
#ifndef BGE_SANITIZED
    if (options.memory_limit != 0) {
        const rlimit memory{options.memory_limit, options.memory_limit};
        setrlimit(RLIMIT_AS, &memory);
    }
#else
    (void)options;
#endif
}

std::string tail_of(std::FILE* file) {
    constexpr long kTail = 8192;
    std::fseek(file, 0, SEEK_END);
    const long size = std::ftell(file);
    std::fseek(file, size > kTail ? size - kTail : 0, SEEK_SET);
    std::string text(static_cast<size_t>(size > kTail ? kTail : size), '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    return text;
}

} // namespace

std::string IsolatedResult::describe() const {
    switch (end) {
    case End::TimedOut:
        return "hung";
    case End::Signalled:
        return std::string("died of ") + strsignal(signal);
    case End::Returned:
        break;
    }
    return "exited with " + std::to_string(exit_code);
}

IsolatedResult run_isolated(const std::function<int()>& body, const IsolatedOptions& options) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> output(std::tmpfile(), std::fclose);
    if (!output)
        throw std::runtime_error("no temporary file");
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0)
        throw std::runtime_error("fork failed");
    if (child == 0) {
        dup2(fileno(output.get()), STDOUT_FILENO);
        dup2(fileno(output.get()), STDERR_FILENO);
        limit_child(options);
        const int code = body();
        std::fflush(nullptr);
        _exit(code);
    }
    IsolatedResult result;
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::duration<double>(options.timeout_seconds);
    auto nap = std::chrono::microseconds(200);
    int status = 0;
    for (;;) {
        const pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child)
            break;
        if (ended < 0 && errno != EINTR)
            throw std::runtime_error("waitpid failed");
        if (std::chrono::steady_clock::now() > deadline) {
            result.end = IsolatedResult::End::TimedOut;
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            break;
        }
        std::this_thread::sleep_for(nap);
        nap = std::min(nap * 2, std::chrono::microseconds(5000));
    }
    if (result.end != IsolatedResult::End::TimedOut && WIFSIGNALED(status)) {
        result.end = IsolatedResult::End::Signalled;
        result.signal = WTERMSIG(status);
    } else if (WIFEXITED(status)) {
        result.exit_code = WEXITSTATUS(status);
    }
    result.output = tail_of(output.get());
    return result;
}

} // namespace bge::test
