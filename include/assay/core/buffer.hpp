#pragma once
#include <utility>

#include "assay/core/device.hpp"

namespace assay {

/// Owns `size` elements of device (or host) memory, uninitialised. Move-only. T must be trivially copyable.
/// Allocated before a unit's loop, never inside it.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Exec& exec, std::int64_t size)
      : memory_(exec.memory),
        data_(size > 0 ? static_cast<T*>(memory_->allocate(static_cast<std::size_t>(size) * sizeof(T))) : nullptr),
        size_(size) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) memory_->deallocate(data_);
  }

  T* data() const { return data_; }
  std::int64_t size() const { return size_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  Memory* memory_ = nullptr;
  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace assay
