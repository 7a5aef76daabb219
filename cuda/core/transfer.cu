#include <algorithm>
#include <cstring>

#include "assay/core/error.hpp"
#include "assay/core/kernel.hpp"
#include "core/transfer.hpp"

namespace assay {
namespace {

enum class Direction { to_device, to_host };

void copy(const Exec& exec, void* to, const void* from, std::size_t bytes, [[maybe_unused]] Direction direction) {
  if (bytes == 0) return;
#if defined(ASSAY_DEVICE_PATH)
  if (exec.backend == Backend::cuda) {
    const auto kind = direction == Direction::to_device ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost;
    ASSAY_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, kind, exec.stream));
    ASSAY_CUDA_CHECK(cudaStreamSynchronize(exec.stream));
    return;
  }
#else
  require_cpu(exec);
#endif
  std::memcpy(to, from, bytes);
}

}  // namespace

void upload(const Exec& exec, void* to, const void* from, std::size_t bytes) {
  copy(exec, to, from, bytes, Direction::to_device);
}
void fetch_unit(const Exec& exec, void* to, const void* from, std::size_t bytes) {
  copy(exec, to, from, bytes, Direction::to_host);
}
void export_images(const Exec& exec, void* to, const void* from, std::size_t bytes) {
  copy(exec, to, from, bytes, Direction::to_host);
}

void copy_within(const Exec& exec, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
#if defined(ASSAY_DEVICE_PATH)
  if (exec.backend == Backend::cuda) {
    ASSAY_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, exec.stream));
    return;
  }
#else
  require_cpu(exec);
#endif
  constexpr std::size_t kPart = 1 << 16;
  const auto parts = static_cast<std::int64_t>((bytes + kPart - 1) / kPart);
#pragma omp parallel for schedule(static)
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::size_t at = static_cast<std::size_t>(part) * kPart;
    std::memcpy(static_cast<char*>(to) + at, static_cast<const char*>(from) + at, std::min(kPart, bytes - at));
  }
}

void drain(const Exec& exec) {
#if defined(ASSAY_DEVICE_PATH)
  if (exec.backend == Backend::cuda) ASSAY_CUDA_CHECK(cudaStreamSynchronize(exec.stream));
#else
  require_cpu(exec);
#endif
}

}  // namespace assay
