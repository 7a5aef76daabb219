#pragma once
// Stands in for Thrust's header of that name as <cuda_runtime.h> beside it does for CUDA's: what assay calls is here.
#include "simt/cuda_runtime.h"

namespace thrust::cuda {

template <class Allocator>
struct Policy {
  Allocator& allocator;
  cudaStream_t stream = nullptr;
  Policy on(cudaStream_t chosen) const { return {allocator, chosen}; }
};
struct {
  template <class Allocator>
  Policy<Allocator> operator()(Allocator& allocator) const {
    return {allocator};
  }
} inline constexpr par;

}  // namespace thrust::cuda
