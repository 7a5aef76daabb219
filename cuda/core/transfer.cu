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

#if defined(ASSAY_DEVICE_PATH)
struct Uploader::Pinned {
  void* data = nullptr;
  cudaEvent_t copied = nullptr;  // the last copy out of `data` is done
};
#endif

Uploader::Uploader(const Exec& exec, std::size_t chunk) : exec_(exec), chunk_(chunk) {
#if defined(ASSAY_DEVICE_PATH)
  if (exec_.backend == Backend::cuda) pinned_ = new Pinned[2];
#endif
}

Uploader::~Uploader() {
#if defined(ASSAY_DEVICE_PATH)
  if (pinned_ == nullptr) return;
  for (int i = 0; i < 2; ++i) {
    // Freed memory must not be read by a copy under way; errors are of a device that was lost, which is said elsewhere.
    if (pinned_[i].copied != nullptr) {
      cudaEventSynchronize(pinned_[i].copied);
      cudaEventDestroy(pinned_[i].copied);
    }
    if (pinned_[i].data != nullptr) cudaFreeHost(pinned_[i].data);
  }
  delete[] pinned_;
#endif
}

void Uploader::upload(void* to, const void* from, std::size_t bytes) {
#if defined(ASSAY_DEVICE_PATH)
  if (exec_.backend == Backend::cuda) {
    for (std::size_t at = 0; at < bytes; at += chunk_) {
      const std::size_t part = bytes - at < chunk_ ? bytes - at : chunk_;
      Pinned& pinned = pinned_[next_];
      next_ ^= 1;
      if (pinned.data == nullptr) {
        ASSAY_CUDA_CHECK(cudaHostAlloc(&pinned.data, chunk_, cudaHostAllocDefault));
        ASSAY_CUDA_CHECK(cudaEventCreateWithFlags(&pinned.copied, cudaEventDisableTiming));
      } else {
        ASSAY_CUDA_CHECK(cudaEventSynchronize(pinned.copied));
      }
      std::memcpy(pinned.data, static_cast<const std::byte*>(from) + at, part);
      ASSAY_CUDA_CHECK(
          cudaMemcpyAsync(static_cast<std::byte*>(to) + at, pinned.data, part, cudaMemcpyHostToDevice, exec_.stream));
      ASSAY_CUDA_CHECK(cudaEventRecord(pinned.copied, exec_.stream));
    }
    return;
  }
#endif
  require_cpu(exec_);
  std::memcpy(to, from, bytes);
}

#if defined(ASSAY_DEVICE_PATH)
struct Counter::Slots {
  Counts* counts = nullptr;
  cudaEvent_t* copied = nullptr;
};
#endif

Counter::Counter(const Exec& exec, int lag) : exec_(exec), slots_(static_cast<std::size_t>(lag) + 1) {
#if defined(ASSAY_DEVICE_PATH)
  if (exec_.backend != Backend::cuda) return;
  void* memory = nullptr;
  ASSAY_CUDA_CHECK(cudaHostAlloc(&memory, slots_ * sizeof(Counts), cudaHostAllocDefault));
  pinned_ = new Slots{static_cast<Counts*>(memory), new cudaEvent_t[slots_]()};
  for (std::size_t i = 0; i < slots_; ++i)
    ASSAY_CUDA_CHECK(cudaEventCreateWithFlags(&pinned_->copied[i], cudaEventDisableTiming));
#endif
}

Counter::~Counter() {
#if defined(ASSAY_DEVICE_PATH)
  if (pinned_ == nullptr) return;
  for (std::size_t i = 0; i < slots_; ++i)
    if (pinned_->copied[i] != nullptr) {
      cudaEventSynchronize(pinned_->copied[i]);
      cudaEventDestroy(pinned_->copied[i]);
    }
  cudaFreeHost(pinned_->counts);
  delete[] pinned_->copied;
  delete pinned_;
#endif
}

Counter::Counts Counter::read(const void* counts, [[maybe_unused]] bool now) {
#if defined(ASSAY_DEVICE_PATH)
  if (exec_.backend == Backend::cuda) {
    const std::size_t slot = reads_ % slots_;
    ASSAY_CUDA_CHECK(
        cudaMemcpyAsync(&pinned_->counts[slot], counts, sizeof(Counts), cudaMemcpyDeviceToHost, exec_.stream));
    ASSAY_CUDA_CHECK(cudaEventRecord(pinned_->copied[slot], exec_.stream));
    const std::size_t due = now ? slot : reads_ < slots_ ? 0 : (reads_ + 1) % slots_;
    ++reads_;
    ASSAY_CUDA_CHECK(cudaEventSynchronize(pinned_->copied[due]));
    return pinned_->counts[due];
  }
#endif
  require_cpu(exec_);
  ++reads_;
  std::memcpy(&latest_, counts, sizeof latest_);
  return latest_;
}

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
