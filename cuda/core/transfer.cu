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

}  // namespace assay
