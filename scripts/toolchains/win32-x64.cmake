# Debian's mingw-w64 with POSIX threads, which std::thread needs: apt-get install g++-mingw-w64-x86-64-posix
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_CROSSCOMPILING_EMULATOR wine)
# GCC spills 32- and 64-byte registers with aligned moves onto a stack that Windows aligns to 16 bytes
# (GCC bug 54412): the assembler turns them into unaligned ones, which are as fast on aligned data
set(CMAKE_C_FLAGS_INIT "-Wa,-muse-unaligned-vector-move")
set(CMAKE_CXX_FLAGS_INIT "-Wa,-muse-unaligned-vector-move")
# mingw-w64 10 has these under the process's names only; same layout, same values
foreach(_name STATE CURRENT_VERSION EXECUTION_SPEED)
    string(APPEND CMAKE_C_FLAGS_INIT " -DTHREAD_POWER_THROTTLING_${_name}=PROCESS_POWER_THROTTLING_${_name}")
endforeach()
