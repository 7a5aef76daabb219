#include <array>
#include <utility>
#include <vector>

#include "assay/core/error.hpp"
#include "assay/core/kernel.hpp"
#include "core/sort.hpp"
#if defined(ASSAY_DEVICE_PATH)
#include <thrust/execution_policy.h>
#include <thrust/sort.h>
#include <thrust/system_error.h>
#endif

namespace assay {
namespace {

#if defined(ASSAY_DEVICE_PATH)
/// What Thrust takes an allocator for.
struct FromMemory {
  using value_type = char;
  Memory* memory;
  char* allocate(std::ptrdiff_t bytes) { return static_cast<char*>(memory->allocate(static_cast<std::size_t>(bytes))); }
  void deallocate(char* data, std::size_t /*bytes*/) { memory->deallocate(data); }
};
#endif

/// In four passes over 8 bits each, the last of which ends where the keys were: several times as fast as std::sort.
void sort_on_host(std::uint32_t* keys, std::int64_t n) {
  constexpr int kBits = 8, kPasses = 4;
  constexpr std::uint32_t kMask = (1u << kBits) - 1;
  std::array<std::array<std::int64_t, kMask + 1>, kPasses> ends{};
  for (std::int64_t i = 0; i < n; ++i)
    for (int pass = 0; pass < kPasses; ++pass)
      ++ends[static_cast<std::size_t>(pass)][keys[i] >> (kBits * pass) & kMask];
  std::vector<std::uint32_t> other(static_cast<std::size_t>(n));
  std::uint32_t *from = keys, *to = other.data();
  for (int pass = 0; pass < kPasses; ++pass) {
    auto& at = ends[static_cast<std::size_t>(pass)];
    std::int64_t begin = 0;
    for (std::int64_t& end : at) begin += std::exchange(end, begin);
    for (std::int64_t i = 0; i < n; ++i) to[at[from[i] >> (kBits * pass) & kMask]++] = from[i];
    std::swap(from, to);
  }
}

}  // namespace

void sort_rising([[maybe_unused]] const Exec& exec, std::uint32_t* keys, std::int64_t n) {
#if defined(ASSAY_DEVICE_PATH)
  if (exec.backend == Backend::cuda) {
    try {
      FromMemory memory{exec.memory};
      thrust::sort(thrust::cuda::par(memory).on(exec.stream), keys, keys + n);
    } catch (const thrust::system_error& e) {
      throw_cuda_error(e.code().value(), "thrust::sort", __FILE__, __LINE__);
    }
    return;
  }
#else
  require_cpu(exec);
#endif
  sort_on_host(keys, n);
}

}  // namespace assay
