// The C++ tests' harness: enough to register cases, compare, and exit non-zero.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../engine/error.h"

namespace check {

struct Case {
    std::string name;
    std::string file; ///< e.g. "gemm_test"
    void (*body)();

    bool matches(const std::string& filter) const {
        return name.find(filter) != std::string::npos || file.find(filter) != std::string::npos;
    }
};

inline std::vector<Case>& cases() {
    static std::vector<Case> all;
    return all;
}

struct Registrar {
    Registrar(const char* name, std::string file, void (*body)()) {
        file = file.substr(file.find_last_of("/\\") + 1);
        cases().push_back({name, file.substr(0, file.find('.')), body});
    }
};

[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
    std::ostringstream message;
    message << file << ":" << line << ": " << what;
    throw std::runtime_error(message.str());
}

template <class A, class B>
void equal(const A& a, const B& b, const char* text, const char* file, int line) {
    if (a == b)
        return;
    std::ostringstream message;
    message << text << ": " << a << " != " << b;
    fail(file, line, message.str());
}

/// Runs every case whose name or file contains argv[1] (all without it). Exit code 1 if one failed.
inline int run(int argc, char** argv) {
    const std::string filter = argc > 1 ? argv[1] : "";
    int passed = 0, failed = 0;
    for (const Case& c : cases()) {
        if (!c.matches(filter))
            continue;
        try {
            c.body();
            ++passed;
        } catch (const std::exception& e) {
            ++failed;
            std::printf("FAIL %s: %s\n", c.name.c_str(), e.what());
        }
    }
    std::printf("%s %d tests, %d failed\n", failed ? "FAIL" : "ok", passed + failed, failed);
    return failed || (passed == 0 && filter.empty()) ? 1 : 0;
}

} // namespace check

#define TEST_CONCAT_(a, b) a##b
#define TEST_CONCAT(a, b) TEST_CONCAT_(a, b)
#define TEST(name)                                                                                 \
    static void TEST_CONCAT(test_body_, __LINE__)();                                               \
    static const ::check::Registrar TEST_CONCAT(test_reg_, __LINE__)(                              \
        name, __FILE__, TEST_CONCAT(test_body_, __LINE__));                                        \
    static void TEST_CONCAT(test_body_, __LINE__)()
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            ::check::fail(__FILE__, __LINE__, #cond);                                              \
    } while (0)
#define CHECK_EQ(a, b) ::check::equal((a), (b), #a " == " #b, __FILE__, __LINE__)
#define CHECK_THROWS(expr, expected)                                                               \
    do {                                                                                           \
        bool thrown_ = false;                                                                      \
        try {                                                                                      \
            (void)(expr);                                                                          \
        } catch (const ::bge::Error& e_) {                                                         \
            thrown_ = true;                                                                        \
            CHECK_EQ(std::string(::bge::error_code_name(e_.code())),                               \
                     std::string(::bge::error_code_name(expected)));                               \
        }                                                                                          \
        if (!thrown_)                                                                              \
            ::check::fail(__FILE__, __LINE__, #expr " did not throw");                             \
    } while (0)
#define TEST_MAIN()                                                                                \
    int main(int argc, char** argv) {                                                              \
        return ::check::run(argc, argv);                                                           \
    }
