# The CUDA half of the program: nvcc for the kernels, one CUDA runtime for them and LibTorch, LibTorch's CUDA libraries.
#
# Included after LibTorch.cmake. The compiler is that of $CUDACXX, PATH or the toolkit's usual folder, else the wheel that
# `./run cuda` installs where there is no toolkit. Defines assay::cuda_runtime, and adds to assay::torch.

cmake_path(SET wheels NORMALIZE "${ASSAY_LIBTORCH}/../nvidia")
file(GLOB cuda_wheels "${wheels}/*/lib")
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(ASSAY_NVCC nvcc PATHS /usr/local/cuda/bin "${wheels}/cu13/bin")
  if(NOT ASSAY_NVCC)
    message(FATAL_ERROR "nvcc not found on PATH, in /usr/local/cuda/bin or among the wheels in .venv.\n"
      "Install the CUDA 13 toolkit, or run ./run cuda once, which installs what is missing")
  endif()
  set(CMAKE_CUDA_COMPILER "${ASSAY_NVCC}")
endif()

if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100)
endif()
foreach(architecture IN LISTS CMAKE_CUDA_ARCHITECTURES)
  if(NOT architecture MATCHES "^([0-9]+)" OR CMAKE_MATCH_1 LESS 80)
    message(FATAL_ERROR "CMAKE_CUDA_ARCHITECTURES names '${architecture}': expected numbers from 80 (Ampere) on, such as "
      "80-real;90-real;100. Older devices are not supported")
  endif()
endforeach()

find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)
set(CMAKE_CUDA_COMPILER_LAUNCHER "${Python3_EXECUTABLE}" -B "${PROJECT_SOURCE_DIR}/tests/static/nvcc.py")

# The runtime is linked as a shared library by its path, below: wheels have no unversioned name for -lcudart.
set(CMAKE_CUDA_RUNTIME_LIBRARY None)
enable_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER_VERSION MATCHES "^13\\.")
  message(FATAL_ERROR "${CMAKE_CUDA_COMPILER} is of CUDA ${CMAKE_CUDA_COMPILER_VERSION}, expected 13: LibTorch's wheel is made for that")
endif()
# CMake 3.25 does not know that nvcc 13 has C++20.
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")

# LibTorch's own libraries search the wheels first, so that is where the one runtime of the process comes from. What the
# wheels lack is the toolkit's.
list(GET CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES 0 cuda_toolkit)
cmake_path(GET cuda_toolkit PARENT_PATH cuda_toolkit)
set(cuda_folders ${cuda_wheels} "${ASSAY_LIBTORCH}/lib" "${cuda_toolkit}/lib")
find_file(ASSAY_CUDART libcudart.so.13 PATHS ${cuda_folders} NO_DEFAULT_PATH)
find_file(ASSAY_CUBLAS libcublas.so.13 PATHS ${cuda_folders} NO_DEFAULT_PATH)
foreach(library IN ITEMS ASSAY_CUDART ASSAY_CUBLAS)
  if(NOT ${library})
    message(FATAL_ERROR "${library} not found in ${cuda_folders}")
  endif()
endforeach()
list(JOIN cuda_folders ":" cuda_run_path)
add_library(assay_cuda_runtime INTERFACE)
add_library(assay::cuda_runtime ALIAS assay_cuda_runtime)
target_link_libraries(assay_cuda_runtime INTERFACE "${ASSAY_CUDART}")
target_link_options(assay_cuda_runtime INTERFACE "LINKER:-rpath,${cuda_run_path}" "LINKER:--disable-new-dtags")

if(NOT EXISTS "${ASSAY_LIBTORCH}/lib/libtorch_cuda.so")
  message(FATAL_ERROR "LibTorch in '${ASSAY_LIBTORCH}' has no CUDA half (lib/libtorch_cuda.so)")
endif()
# We call nothing in libtorch_cuda, but its kernels register themselves when it is loaded.
target_link_libraries(assay_torch INTERFACE "${ASSAY_LIBTORCH}/lib/libc10_cuda.so" "${ASSAY_CUBLAS}" assay_cuda_runtime
  "-Wl,--push-state,--no-as-needed,${ASSAY_LIBTORCH}/lib/libtorch_cuda.so,--pop-state")
