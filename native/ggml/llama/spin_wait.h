/* Put ahead of ggml's C files by a compiler flag (-include), never included by our own code.
 *
 * ggml's threads wait for each other in loops around ggml_thread_cpu_relax() that never give the
 * core away. When another process holds one of the cores, the thread that everybody waits for may
 * stand in the queue behind one that only spins, and speed falls to a few percent. With this header
 * every kBgeSpins-th pause of a thread yields the processor instead.
 *
 * ggml-cpu.c defines ggml_thread_cpu_relax(void) and calls ggml_thread_cpu_relax(): the macro below
 * tells the two apart by their argument, so the definition gets another name (and is unused) while
 * the calls become ours. Works the same on every architecture.
 */
#ifndef BGE_SPIN_WAIT_H
#define BGE_SPIN_WAIT_H

#if defined(_WIN32)
__declspec(dllimport) int __stdcall SwitchToThread(void);
#define BGE_YIELD() ((void)SwitchToThread())
#else
#include <sched.h>
#define BGE_YIELD() ((void)sched_yield())
#endif

/* 10-40 us of pauses: longer than a barrier takes among threads that all run. */
enum { kBgeSpins = 1024 };

static inline void bge_relax(void) {
    static _Thread_local unsigned spins;
    if (++spins % kBgeSpins == 0)
        BGE_YIELD();
#if defined(__x86_64__) || defined(_M_X64)
    else
        __builtin_ia32_pause();
#elif defined(__aarch64__)
    else
        __asm__ volatile("yield" ::: "memory");
#endif
}

#define ggml_thread_cpu_relax(argument) BGE_RELAX_##argument
#define BGE_RELAX_ bge_relax()
#define BGE_RELAX_void bge_unused_relax(void)

#endif
