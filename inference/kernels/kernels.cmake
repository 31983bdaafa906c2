# Included by CMake right after llama-cpp-python's project() (CMAKE_PROJECT_llama_cpp_INCLUDE): puts the exact
# kernels in the place of llamafile's, which round in another order than vec_dot.
set(p2pavs_place "${CMAKE_CURRENT_SOURCE_DIR}/vendor/llama.cpp/ggml/src/ggml-cpu/llamafile")
if (NOT EXISTS "${p2pavs_place}/sgemm.cpp")
    message(FATAL_ERROR "${p2pavs_place}/sgemm.cpp is missing: this is not the version that the kernels are for")
endif()
configure_file("${CMAKE_CURRENT_LIST_DIR}/matmul.cpp" "${p2pavs_place}/sgemm.cpp" COPYONLY)
foreach (p2pavs_part lanes tiles tiles_32 tiles_256 tiles_half soft_max)
    configure_file("${CMAKE_CURRENT_LIST_DIR}/${p2pavs_part}.h" "${p2pavs_place}/${p2pavs_part}.h" COPYONLY)
endforeach()
# Left out, as nothing here uses them: llama.cpp's library for its own programs, and what reads pictures and sound.
# Compiling them takes longer than all the rest. A variable of this name goes before an option and a cached value.
set(LLAMA_BUILD_COMMON OFF)
set(LLAVA_BUILD OFF)
# The kernels have a soft max too, which hands on to ggml's what it does not do; so that one gets another name.
cmake_language(DEFER CALL set_source_files_properties
    "${p2pavs_place}/../ops.cpp" TARGET_DIRECTORY ggml-cpu
    PROPERTIES COMPILE_DEFINITIONS ggml_compute_forward_soft_max=ggml_compute_forward_soft_max_of_ggml)
