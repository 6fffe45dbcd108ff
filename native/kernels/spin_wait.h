/* How ggml's compute threads wait for each other at a barrier.
 *
 * ggml spins with a pause instruction for as long as it takes. Beside another busy process that is
 * a catastrophe: the thread that everybody waits for may not be running, and the spinning ones keep
 * the core it needs. This header is forced into ggml-cpu's sources (-include,
 * native/llama/CMakeLists.txt) and makes every 256th pause (about five microseconds) a yield to
 * whoever else wants the core.
 *
 * ggml-cpu.c defines `static inline void ggml_thread_cpu_relax(void)` and calls it with no
 * argument: the macro below tells the two apart by that `void`, keeps the definition under another
 * name, and turns the calls into ours. No source is patched.
 */
#ifndef BGE_SPIN_WAIT_H
#define BGE_SPIN_WAIT_H

#if defined(_WIN32)
#include <windows.h>
#else
#include <sched.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

static inline void bge_spin_wait(void) {
    static
#if defined(__cplusplus)
        thread_local
#else
        _Thread_local
#endif
        unsigned spins;
    if ((++spins & 255u) == 0) {
#if defined(_WIN32)
        SwitchToThread();
#else
        sched_yield();
#endif
        return;
    }
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

#define ggml_thread_cpu_relax(argument) BGE_RELAX_##argument
#define BGE_RELAX_void bge_unused_ggml_relax(void)
#define BGE_RELAX_ bge_spin_wait()

#endif
