# Tests of model files and of the numbers that come out, for native/test/CMakeLists.txt to include.
# Needs bge_engine.

add_library(bge_test_models STATIC gguf_builder.cpp tiny_model.cpp)
target_link_libraries(bge_test_models PUBLIC bge_engine)

# The float64 reference is hopeless without optimization, so it has it in debug builds too.
add_library(bge_reference STATIC
    reference/dequantize.cpp reference/encoder.cpp reference/matrix.cpp reference/outputs.cpp)
target_compile_options(bge_reference PRIVATE -O3)
target_link_libraries(bge_reference PUBLIC bge_engine)

add_executable(reference_cli reference/reference_cli.cpp)
target_link_libraries(reference_cli PRIVATE bge_reference)

add_executable(test_gguf test_gguf.cpp)
add_executable(test_model_check test_model_check.cpp)
add_executable(test_reference test_reference.cpp)
add_executable(test_parity test_parity.cpp embed.cpp)
target_link_libraries(test_gguf PRIVATE bge_test_models)
target_link_libraries(test_model_check PRIVATE bge_test_models)
target_link_libraries(test_reference PRIVATE bge_test_models bge_reference)
target_link_libraries(test_parity PRIVATE bge_test_models bge_reference)
set(_model_targets bge_test_models bge_reference reference_cli test_gguf test_model_check
    test_reference test_parity)
foreach(_test test_gguf test_model_check test_reference test_parity)
    add_test(NAME ${_test} COMMAND ${_test})
endforeach()

if(NOT WIN32) # needs fork
    add_executable(fuzz_model fuzz_model.cpp fuzz_mutations.cpp fuzz_exercise.cpp embed.cpp isolated.cpp)
    target_link_libraries(fuzz_model PRIVATE bge_test_models)
    list(APPEND _model_targets fuzz_model)
    add_test(NAME fuzz_model COMMAND fuzz_model 300)
endif()

foreach(_target ${_model_targets})
    target_compile_options(${_target} PRIVATE ${BGE_WARNINGS})
endforeach()
