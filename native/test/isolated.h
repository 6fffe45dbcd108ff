// Runs code in a child process, so that a crash, an abort or a hang is an observation and not the
// end of the test. POSIX only.
#pragma once

#include <functional>
#include <string>

namespace bge::test {

struct IsolatedOptions {
    double timeout_seconds = 20;
    /// Address space the child may use; 0 for no limit. Left out under sanitizers, which reserve
    /// terabytes.
    size_t memory_limit = size_t(4) << 30;
};

struct IsolatedResult {
    enum class End {
        Returned,  ///< `exit_code` is what the function returned
        Signalled, ///< `signal` says which
        TimedOut,
    };
    End end = End::Returned;
    int exit_code = 0;
    int signal = 0;
    std::string output; ///< the last kilobytes of the child's stdout and stderr

    bool died() const { return end != End::Returned; }
    std::string describe() const;
};

/// `body` runs in the child; its result, 0 to 255, is the exit code. No thread may run in the
/// calling process.
IsolatedResult run_isolated(const std::function<int()>& body, const IsolatedOptions& options = {});

} // namespace bge::test
