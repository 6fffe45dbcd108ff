/*
 * Node-API on Windows, bound to whatever program runs: node.exe, electron.exe, or a program under a
 * name of its own. The headers declare the functions as imported, so calls go through pointers
 * named __imp_*; these are here, filled when the library is loaded. That needs no import library of
 * node.exe, which would bind the addon to that very file name, and no linker with delayed loading.
 */
#define WIN32_LEAN_AND_MEAN 1
#include <windows.h>

/* node_symbols.inc: NODE_SYMBOL(napi_...) for each function, from node-api-headers */
#define NODE_SYMBOL(name) FARPROC __imp_##name = NULL;
#include "node_symbols.inc"
#undef NODE_SYMBOL

static const struct {
    const char* name;
    FARPROC* slot;
} kSymbols[] = {
#define NODE_SYMBOL(name) {#name, &__imp_##name},
#include "node_symbols.inc"
#undef NODE_SYMBOL
};

__attribute__((constructor)) static void bind(void) {
    /* Node unloads an addon with the last worker that used it, engine threads and all: stay */
    HMODULE self = NULL;
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                       (LPCSTR)kSymbols, &self);
    HMODULE shared = GetModuleHandleA("libnode.dll"); /* a Node built as a library */
    HMODULE program = GetModuleHandleA(NULL);
    for (size_t i = 0; i < sizeof(kSymbols) / sizeof(kSymbols[0]); ++i) {
        FARPROC found = shared ? GetProcAddress(shared, kSymbols[i].name) : NULL;
        if (!found)
            found = GetProcAddress(program, kSymbols[i].name);
        *kSymbols[i].slot = found;
    }
}
