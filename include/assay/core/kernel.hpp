#pragma once
// The dialect of CUDA that device code is written in. Three compilers read it:
//   nvcc                    the CUDA backend, __CUDACC__ is defined
//   g++                     the CPU backend alone: nothing of this is seen
//   g++/clang, ASSAY_SIMT   the CUDA backend on a CPU, every CUDA thread a fiber (tests/simt, whose <cuda_runtime.h> is
//                           found first): the same kernels and the same host code, with their launches and copies
#if defined(__CUDACC__) || defined(ASSAY_SIMT)
#define ASSAY_DEVICE_PATH 1
#include <cuda_runtime.h>
#endif

#if defined(__CUDACC__)
/// An array that the threads of a block share.
#define ASSAY_SHARED(T, name, n) __shared__ T name[n]

namespace assay {

/// Adds to a counter in device memory; what this thread wrote, or saw behind a __syncthreads(), comes before it.
__device__ inline void arrive(unsigned* counter) {
  __threadfence();
  atomicAdd(counter, 1u);
}
/// Reads such a counter; what was written before the arrivals that it shows is visible afterwards.
__device__ inline unsigned arrivals(unsigned* counter) {
  const unsigned count = *static_cast<volatile unsigned*>(counter);
  __threadfence();
  return count;
}

}  // namespace assay
#endif
