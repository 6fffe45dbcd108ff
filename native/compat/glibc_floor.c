/*
 * What the linked code wants of a glibc newer than the floor (scripts/glibc-floor.mjs), in terms of
 * what the floor has. All hidden: nothing outside this addon sees them, and they are used on every
 * glibc, so that a new system runs the same code as an old one.
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* glibc 2.32; libstdc++'s shared_ptr leaves out atomics when it is not 0 */
char __libc_single_threaded = 0;

/* glibc 2.29; ggml */
int getcpu(unsigned* cpu, unsigned* node) {
    return (int)syscall(SYS_getcpu, cpu, node, NULL);
}

/* glibc 2.36; std::random_device */
uint32_t arc4random(void) {
    uint32_t value = 0;
    char* at = (char*)&value;
    size_t left = sizeof(value);
    while (left > 0) {
        const long got = syscall(SYS_getrandom, at, left, 0);
        if (got < 0 && errno != EINTR)
            abort();
        if (got > 0) {
            at += got;
            left -= (size_t)got;
        }
    }
    return value;
}

/*
 * glibc 2.38; its headers send C23's callers here. They differ from the old ones in taking 0b1 for
 * a binary number where the base is 0 or 2, which nobody here asks for.
 */
long old_strtol(const char* text, char** end, int base) __asm__("strtol");
unsigned long old_strtoul(const char* text, char** end, int base) __asm__("strtoul");

long __isoc23_strtol(const char* text, char** end, int base) {
    return old_strtol(text, end, base);
}
unsigned long __isoc23_strtoul(const char* text, char** end, int base) {
    return old_strtoul(text, end, base);
}
/* the same width on 64-bit systems */
long long __isoc23_strtoll(const char* text, char** end, int base) {
    return old_strtol(text, end, base);
}
unsigned long long __isoc23_strtoull(const char* text, char** end, int base) {
    return old_strtoul(text, end, base);
}

/* glibc 2.33 made real functions of these; before, they were inlined calls of those */
#if defined(__x86_64__)
#define STAT_VERSION 1
#else
#define STAT_VERSION 0
#endif
int __xstat(int version, const char* path, struct stat* out);
int __lxstat(int version, const char* path, struct stat* out);
int __fxstat(int version, int file, struct stat* out);
int __fxstatat(int version, int folder, const char* path, struct stat* out, int flags);

int stat(const char* path, struct stat* out) {
    return __xstat(STAT_VERSION, path, out);
}
int lstat(const char* path, struct stat* out) {
    return __lxstat(STAT_VERSION, path, out);
}
int fstat(int file, struct stat* out) {
    return __fxstat(STAT_VERSION, file, out);
}
int fstatat(int folder, const char* path, struct stat* out, int flags) {
    return __fxstatat(STAT_VERSION, folder, path, out, flags);
}
/* the same layout on 64-bit systems */
int stat64(const char* path, struct stat64* out) {
    return stat(path, (struct stat*)out);
}
int lstat64(const char* path, struct stat64* out) {
    return lstat(path, (struct stat*)out);
}
int fstat64(int file, struct stat64* out) {
    return fstat(file, (struct stat*)out);
}
int fstatat64(int folder, const char* path, struct stat64* out, int flags) {
    return fstatat(folder, path, (struct stat*)out, flags);
}

/*
 * glibc 2.30; std::condition_variable's waits until a time of the steady clock. As libstdc++ does
 * without it: the time that is left, from now on the condition's own clock, which is the wall
 * clock. Callers look at the steady clock again, so a wall clock that jumps makes a wait long or
 * short, not wrong.
 */
int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const struct timespec* until) {
    if (clock == CLOCK_REALTIME)
        return pthread_cond_timedwait(condition, mutex, until);
    struct timespec now;
    struct timespec wall;
    if (clock_gettime(clock, &now) != 0 || clock_gettime(CLOCK_REALTIME, &wall) != 0)
        return EINVAL;
    const long kSecond = 1000000000L;
    wall.tv_sec += until->tv_sec - now.tv_sec;
    wall.tv_nsec += until->tv_nsec - now.tv_nsec;
    if (wall.tv_nsec < 0) {
        wall.tv_nsec += kSecond;
        wall.tv_sec -= 1;
    } else if (wall.tv_nsec >= kSecond) {
        wall.tv_nsec -= kSecond;
        wall.tv_sec += 1;
    }
    if (wall.tv_sec < 0)
        return ETIMEDOUT;
    return pthread_cond_timedwait(condition, mutex, &wall);
}

#if defined(DLFO_STRUCT_HAS_EH_DBASE) /* glibc >= 2.35, whose libgcc asks only this */

struct search {
    uintptr_t address;
    struct dl_find_object* found;
};

static int visit(struct dl_phdr_info* info, size_t size, void* data) {
    (void)size;
    const struct search* search = (const struct search*)data;
    const ElfW(Phdr)* segment = NULL;
    const ElfW(Phdr)* frames = NULL;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const ElfW(Phdr)* header = &info->dlpi_phdr[i];
        const uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && search->address >= start &&
            search->address - start < header->p_memsz)
            segment = header;
        if (header->p_type == PT_GNU_EH_FRAME)
            frames = header;
    }
    if (segment == NULL)
        return 0;
    if (frames == NULL)
        return -1;
    search->found->dlfo_map_start = (void*)(info->dlpi_addr + segment->p_vaddr);
    search->found->dlfo_map_end = (void*)(info->dlpi_addr + segment->p_vaddr + segment->p_memsz);
    search->found->dlfo_eh_frame = (void*)(info->dlpi_addr + frames->p_vaddr);
    return 1;
}

/* glibc 2.35; how libgcc finds the unwind tables of a frame when an exception is thrown */
int _dl_find_object(void* address, struct dl_find_object* result) {
    struct search search = {(uintptr_t)address, result};
    result->dlfo_flags = 0;
    result->dlfo_link_map = NULL; /* libgcc does not read it */
    return dl_iterate_phdr(visit, &search) == 1 ? 0 : -1;
}
#endif
