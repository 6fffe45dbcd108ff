# Finds (fetching and building it if need be) llama.cpp, and offers it as the target `bge_llama`.
if(NOT BGE_LLAMA_BUILD)
    find_program(BGE_NODE node REQUIRED)
    set(_llama_args --cc ${CMAKE_C_COMPILER} --cxx ${CMAKE_CXX_COMPILER})
    if(CMAKE_TOOLCHAIN_FILE)
        list(APPEND _llama_args --toolchain ${CMAKE_TOOLCHAIN_FILE})
    endif()
    if(BGE_SANITIZE STREQUAL "thread")
        # TSan must see ggml's barriers, or everything they order looks like a race
        list(APPEND _llama_args "--flags=-fsanitize=thread -g1")
    endif()
    execute_process(
        COMMAND ${BGE_NODE} ${CMAKE_SOURCE_DIR}/scripts/llama-build.mjs ${_llama_args}
        OUTPUT_VARIABLE _llama_out
        RESULT_VARIABLE _llama_result
        OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT _llama_result EQUAL 0)
        message(FATAL_ERROR "llama.cpp could not be fetched or built; the lines above say why.")
    endif()
    string(REPLACE "\n" ";" _llama_out "${_llama_out}")
    list(GET _llama_out 0 BGE_LLAMA_SRC)
    list(GET _llama_out 1 BGE_LLAMA_BUILD)
endif()

find_package(Threads REQUIRED)
add_library(bge_llama INTERFACE)
target_include_directories(bge_llama SYSTEM INTERFACE
    ${BGE_LLAMA_SRC}/include ${BGE_LLAMA_SRC}/ggml/include)
foreach(_lib llama/src/libllama llama/ggml/src/libggml llama/ggml/src/libggml-cpu llama/ggml/src/libggml-base
             llama/src/llama llama/ggml/src/ggml llama/ggml/src/ggml-cpu llama/ggml/src/ggml-base)
    if(EXISTS ${BGE_LLAMA_BUILD}/${_lib}.a)
        list(APPEND _llama_libs ${BGE_LLAMA_BUILD}/${_lib}.a)
    endif()
endforeach()
target_link_libraries(bge_llama INTERFACE ${_llama_libs} Threads::Threads ${CMAKE_DL_LIBS})
if(NOT WIN32 AND NOT APPLE)
    target_link_libraries(bge_llama INTERFACE m)
endif()
