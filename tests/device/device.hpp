#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "assay/core/buffer.hpp"
#include "assay/core/error.hpp"
#include "assay/core/kernel.hpp"
#include "core/transfer.hpp"
#if defined(ASSAY_SIMT)
#include "simt/simt.hpp"
#endif

// What tests of the CUDA backend share. They run on a GPU, or on fibers (tests/simt) in each order of blocks and
// threads.
namespace assay {

class DeviceMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes) override {
    void* data = nullptr;
    ASSAY_CUDA_CHECK(cudaMalloc(&data, bytes));
    return data;
  }
  void deallocate(void* data) noexcept override { cudaFree(data); }
  std::size_t available() const override {
    std::size_t free = 0, total = 0;
    ASSAY_CUDA_CHECK(cudaMemGetInfo(&free, &total));
    return free;
  }
};

/// A stream and a workspace of the device, and what runs on the CPU beside it.
class BothBackends : public testing::Test {
 protected:
  static constexpr std::int64_t kWorkspace = 1 << 20;

#if defined(ASSAY_SIMT)
  BothBackends() {
    simt::restart();
#else
  void SetUp() override {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "no CUDA device here";
#endif
    cuda.backend = Backend::cuda;
    cuda.memory = &memory_;
    ASSAY_CUDA_CHECK(cudaStreamCreate(&cuda.stream));
    workspace_ = {cuda, kWorkspace};
    cuda.workspace = workspace_.data();
    cuda.workspace_bytes = kWorkspace;
  }
  ~BothBackends() override {
    workspace_ = {};
    if (cuda.stream != nullptr) cudaStreamDestroy(cuda.stream);
  }

  /// Runs `test` in every order that the device can be made to take. Under TSan, which sees what is ordered and not
  /// what happens to come first, one is enough.
  template <class Test>
  static void in_every_order(const Test& test) {
#if defined(ASSAY_SIMT) && !defined(ASSAY_TSAN)
    using simt::Order;
    for (const Order& order : {Order{Order::forward}, Order{Order::reverse}, Order{Order::shuffled, 1},
                               Order{Order::shuffled, 2}, Order{Order::shuffled, 3}}) {
      SCOPED_TRACE("order " + std::to_string(order.kind) + ", seed " + std::to_string(order.seed));
      simt::device().order = order;
      test();
      if (testing::Test::HasFatalFailure()) break;
    }
    simt::device().order = {};
#else
    test();
#endif
  }

  Exec cpu, cuda;

 private:
  DeviceMemory memory_;
  Buffer<std::byte> workspace_;
};

/// A vector in exec's memory; `shift` elements past what its allocation begins with.
template <class T>
class Held {
 public:
  Held(const Exec& exec, const std::vector<T>& values, std::size_t shift = 0)
      : exec_(exec), size_(values.size()), shift_(shift), buffer_(exec, static_cast<std::int64_t>(size_ + shift)) {
    if (size_ > 0) upload(exec, data(), values.data(), size_ * sizeof(T));
  }
  T* data() const { return buffer_.data() + shift_; }
  std::vector<T> fetch() const {
    std::vector<T> values(size_);
    fetch_unit(exec_, values.data(), data(), size_ * sizeof(T));
    return values;
  }

 private:
  Exec exec_;
  std::size_t size_, shift_;
  Buffer<T> buffer_;
};

/// Equal to the bit: NaNs count as what they are.
template <class T>
testing::AssertionResult same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return testing::AssertionFailure() << a.size() << " and " << b.size() << " values";
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0) return testing::AssertionFailure() << "they differ at " << i;
  return testing::AssertionSuccess();
}

}  // namespace assay
