#include "peak.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "../../native/kernels/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace {

double now() {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512vnni"))) void loop512(long n) {
    __m512i a0 = _mm512_setzero_si512(), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0,
            a7 = a0, a8 = a0, a9 = a0, a10 = a0, a11 = a0;
    const __m512i w = _mm512_set1_epi8(3);
    for (long i = 0; i < n; ++i)
        __asm__ volatile("vpdpbusd %12,%12,%0\n vpdpbusd %12,%12,%1\n vpdpbusd %12,%12,%2\n"
                         "vpdpbusd %12,%12,%3\n vpdpbusd %12,%12,%4\n vpdpbusd %12,%12,%5\n"
                         "vpdpbusd %12,%12,%6\n vpdpbusd %12,%12,%7\n vpdpbusd %12,%12,%8\n"
                         "vpdpbusd %12,%12,%9\n vpdpbusd %12,%12,%10\n vpdpbusd %12,%12,%11\n"
                         : "+v"(a0), "+v"(a1), "+v"(a2), "+v"(a3), "+v"(a4), "+v"(a5), "+v"(a6),
                           "+v"(a7), "+v"(a8), "+v"(a9), "+v"(a10), "+v"(a11)
                         : "v"(w));
}
__attribute__((target("avx2"))) void loop256(long n) { // madd on 16 bits: 16 MAC
    __m256i a[8] = {};
    const __m256i w = _mm256_set1_epi8(3);
    for (long i = 0; i < n; ++i)
        __asm__ volatile("vpmaddwd %8,%8,%0\n vpmaddwd %8,%8,%1\n vpmaddwd %8,%8,%2\n"
                         "vpmaddwd %8,%8,%3\n vpmaddwd %8,%8,%4\n vpmaddwd %8,%8,%5\n"
                         "vpmaddwd %8,%8,%6\n vpmaddwd %8,%8,%7\n"
                         : "+x"(a[0]), "+x"(a[1]), "+x"(a[2]), "+x"(a[3]), "+x"(a[4]), "+x"(a[5]),
                           "+x"(a[6]), "+x"(a[7])
                         : "x"(w));
}
/// Multiply-accumulates done.
double run(long n) {
    const bool wide = bge::kernels::supports(bge::kernels::Isa::Avx512Vnni);
    wide ? loop512(n) : loop256(n);
    return static_cast<double>(n) * (wide ? 12 * 64 : 8 * 16);
}
#else
double run(long) {
    return 0;
}
#endif

} // namespace

double peak_gmacs() {
    double best = 0;
    for (int i = 0; i < 5; ++i) {
        const double start = now(), work = run(200000);
        best = std::max(best, work / (now() - start) * 1e-9);
    }
    return best;
}

double peak_gmacs(int threads) {
    double best = 0;
    for (int i = 0; i < 3; ++i) {
        std::vector<std::thread> team;
        const auto start = std::chrono::steady_clock::now();
        for (int t = 1; t < threads; ++t)
            team.emplace_back([] { run(8000000); });
        const double work = run(8000000) * threads;
        for (std::thread& t : team)
            t.join();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        best = std::max(best, work / took.count() * 1e-9);
    }
    return best;
}
