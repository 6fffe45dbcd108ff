# Links a target so that it runs on a glibc as old as BGE_GLIBC_FLOOR, whatever this machine has.
set(BGE_GLIBC_FLOOR "" CACHE STRING "oldest glibc that the addon must run on; empty = this machine's")

function(bge_link_at_glibc_floor target)
    if(NOT BGE_GLIBC_FLOOR OR BGE_SANITIZE OR NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
        return()
    endif()
    execute_process(
        COMMAND ${BGE_NODE} ${CMAKE_SOURCE_DIR}/scripts/glibc-floor.mjs
            --cc ${CMAKE_C_COMPILER} --floor ${BGE_GLIBC_FLOOR} --out ${CMAKE_BINARY_DIR}/glibc
        OUTPUT_VARIABLE _flags RESULT_VARIABLE _result OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT _result EQUAL 0)
        message(WARNING "glibc ${BGE_GLIBC_FLOOR} cannot be stood in for; the addon will need this machine's.")
    elseif(_flags) # nothing: the C library is another one
        string(REPLACE "\n" ";" _flags "${_flags}")
        target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/native/compat/glibc_floor.c)
        target_link_options(${target} PRIVATE ${_flags})
    endif()
endfunction()
