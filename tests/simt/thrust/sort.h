#pragma once
// Stands in for Thrust's header of that name: a kernel of one thread, which works in memory of the given allocator.
#include <algorithm>
#include <memory>

#include "simt/thrust/execution_policy.h"
#include "simt/thrust/system_error.h"

namespace thrust {

template <class Allocator, class T>
void sort(const cuda::Policy<Allocator>& policy, T* first, T* last) {
  const auto n = last - first;
  if (n == 0) return;
  const auto check = [](cudaError_t code) {
    if (code != cudaSuccess) throw system_error(code);
  };
  const auto bytes = static_cast<std::size_t>(n) * sizeof(T);
  const auto free = [&](char* data) { policy.allocator.deallocate(data, bytes); };
  const std::unique_ptr<char, decltype(free)> scratch(policy.allocator.allocate(static_cast<std::ptrdiff_t>(bytes)),
                                                      free);
  T* const other = reinterpret_cast<T*>(scratch.get());
  const cudaLaunchConfig_t one{dim3(1), dim3(1), 0, policy.stream, nullptr, 0};
  check(simt::queue_launch(one, [=] {
    std::copy(first, last, other);
    std::sort(other, other + n);
    std::copy(other, other + n, first);
  }));
  check(cudaStreamSynchronize(policy.stream));
}

}  // namespace thrust
