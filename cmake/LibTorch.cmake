# Imported targets for LibTorch, without its own CMake package (which needs CUDA for CPU builds and sets global flags).
#
# ASSAY_LIBTORCH: a folder that holds include/ and lib/ (an unpacked LibTorch, or torch/ of a wheel). Default: the wheel
# in .venv, which `./run build` installs from requirements/libtorch.txt.
# Defines assay::torch (libtorch_cpu and libc10), to which Cuda.cmake adds its CUDA half, and assay::torch_run_path.

if(NOT ASSAY_LIBTORCH)
  file(GLOB wheels "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
  if(wheels)
    list(GET wheels 0 ASSAY_LIBTORCH)
  endif()
endif()
if(NOT EXISTS "${ASSAY_LIBTORCH}/include/torch/script.h" OR NOT EXISTS "${ASSAY_LIBTORCH}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "LibTorch not found in '${ASSAY_LIBTORCH}' (expected include/torch/script.h and lib/libtorch_cpu.so).\n"
    "Run ./run build once, which installs it into .venv, or pass -DASSAY_LIBTORCH=/path/to/libtorch")
endif()

# The run path below is the whole truth; CMake's own would warn of the libgomp that LibTorch brings, which is the one to use.
set(CMAKE_SKIP_BUILD_RPATH ON)
add_library(assay_torch INTERFACE)
add_library(assay::torch ALIAS assay_torch)
target_include_directories(assay_torch SYSTEM INTERFACE
  "${ASSAY_LIBTORCH}/include" "${ASSAY_LIBTORCH}/include/torch/csrc/api/include")
# LibTorch is built with NDEBUG, and without it some of its headers' classes have members that the library's have not.
target_compile_definitions(assay_torch INTERFACE NDEBUG)
# The wheel's libtorch_cpu names CUDA's runtime and cupti; its own run path finds them, the linker need not.
target_link_options(assay_torch INTERFACE "LINKER:--unresolved-symbols=ignore-in-shared-libs")
# For the program too, which loads LibTorch later: a process has one OpenMP runtime.
add_library(assay_torch_run_path INTERFACE)
add_library(assay::torch_run_path ALIAS assay_torch_run_path)
target_link_options(assay_torch_run_path INTERFACE "LINKER:-rpath,${ASSAY_LIBTORCH}/lib" "LINKER:--disable-new-dtags")
target_link_libraries(assay_torch INTERFACE assay_torch_run_path "${ASSAY_LIBTORCH}/lib/libtorch_cpu.so" "${ASSAY_LIBTORCH}/lib/libc10.so")
