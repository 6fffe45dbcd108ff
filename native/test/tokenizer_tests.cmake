# Tests of the tokenizer, for native/test/CMakeLists.txt to include. Needs bge_engine.

add_executable(test_tokenizer test_tokenizer.cpp test_tokenizer_parts.cpp)
target_compile_definitions(test_tokenizer PRIVATE
    BGE_LLAMA_SOURCE_DIR="${BGE_LLAMA_SRC}" BGE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
add_executable(tokenize_cli tokenize_cli.cpp)
foreach(_target test_tokenizer tokenize_cli)
    target_link_libraries(${_target} PRIVATE bge_engine)
    target_compile_options(${_target} PRIVATE ${BGE_WARNINGS})
endforeach()
add_test(NAME test_tokenizer COMMAND test_tokenizer)
