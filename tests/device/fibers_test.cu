// The stand-in itself: what a kernel or its host code may not do must not pass unseen.
#if defined(ASSAY_SIMT)
#include <gmock/gmock.h>

#include "device/device.hpp"

namespace assay {
namespace {
using testing::HasSubstr;

class Fibers : public BothBackends {
 protected:
  /// What the runtime says of a kernel of `threads` threads in `blocks` blocks; empty: it ran.
  template <class... P, class... A>
  std::string verdict(unsigned blocks, unsigned threads, bool together, void (*kernel)(P...), A... arguments) {
    simt::restart();
    cudaLaunchAttribute attribute{cudaLaunchAttributeCooperative, {together ? 1 : 0}};
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(blocks);
    config.blockDim = dim3(threads);
    config.stream = cuda.stream;
    config.attrs = &attribute;
    config.numAttrs = 1;
    const cudaError_t launched = cudaLaunchKernelEx(&config, kernel, arguments...);
    if (launched != cudaSuccess) return "launch: " + std::to_string(launched);
    const cudaError_t code = cudaStreamSynchronize(cuda.stream);
    const std::string text = simt::fault_text();
    EXPECT_EQ(code == cudaSuccess, text.empty());
    simt::restart();
    return text;
  }
};

__global__ void reverse(float* out, bool with_barrier) {
  ASSAY_SHARED(float, row, 256);
  const unsigned i = threadIdx.x;
  row[i] = static_cast<float>(i);
  if (with_barrier) __syncthreads();
  out[i] = row[255 - i];
}

TEST_F(Fibers, ShowAMissingBarrierInSomeOrder) {
  std::vector<float> expected;
  for (int i = 255; i >= 0; --i) expected.push_back(static_cast<float>(i));
  int wrong = 0;
  in_every_order([&] {
    const simt::Order order = simt::device().order;
    const Held<float> out(cuda, std::vector<float>(256));
    EXPECT_EQ(verdict(1, 256, false, reverse, out.data(), true), "");
    EXPECT_EQ(out.fetch(), expected);
    const auto launch = [&] {
      simt::device().order = order;
      cudaLaunchConfig_t config{};
      config.gridDim = dim3(1);
      config.blockDim = dim3(256);
      config.stream = cuda.stream;
      ASSERT_EQ(cudaLaunchKernelEx(&config, reverse, out.data(), false), cudaSuccess);
    };
    launch();
    if (!same_bits(out.fetch(), expected)) ++wrong;
  });
  EXPECT_EQ(wrong, 5) << "shared memory begins as NaNs";
}

__global__ void leave_early(int stay) {
  if (static_cast<int>(threadIdx.x) >= stay) return;
  __syncthreads();
}
__global__ void meet_at_two_barriers() {
  if (threadIdx.x < 7)
    __syncthreads();
  else
    __syncthreads();
}
__global__ void shuffle_with(unsigned mask, int by) {
  const int v = static_cast<int>(threadIdx.x);
  (void)__shfl_down_sync(mask, v, by);
}
__global__ void shuffle_some() {
  if (threadIdx.x < 16)
    (void)__shfl_down_sync(~0u, 1.f, 1);
  else
    __syncthreads();
}
__global__ void wait_for_another_block(unsigned* counter) {
  if (threadIdx.x == 0) {
    arrive(counter);
    while (arrivals(counter) < gridDim.x) __nanosleep(100);
  }
  __syncthreads();
}

TEST_F(Fibers, NameAKernelsFaults) {
  EXPECT_EQ(verdict(2, 64, false, leave_early, 64), "");
  EXPECT_THAT(verdict(2, 64, false, leave_early, 40),
              HasSubstr("has ended, others wait at the barrier of fibers_test.cu"));
  EXPECT_THAT(verdict(1, 64, false, meet_at_two_barriers), HasSubstr("wait at two barriers"));
  EXPECT_EQ(verdict(1, 64, false, shuffle_with, ~0u, 16), "");
  EXPECT_THAT(verdict(1, 64, false, shuffle_with, 0xFFFFu, 0), HasSubstr("not in the mask"));
  EXPECT_THAT(verdict(1, 64, false, shuffle_with, 0xFFFFu, 1), HasSubstr("reads a thread that takes no part"));
  EXPECT_THAT(verdict(1, 40, false, shuffle_with, ~0u, 1), HasSubstr("names threads that are not there"));
  EXPECT_NE(verdict(1, 64, false, shuffle_some), "");
}

TEST_F(Fibers, RunBlocksTogetherOnlyWhereThatIsAskedFor) {
  const Held<unsigned> counter(cuda, {0});
  EXPECT_EQ(verdict(4, 32, true, wait_for_another_block, counter.data()), "");
  const Held<unsigned> again(cuda, {0});
  EXPECT_THAT(verdict(4, 32, false, wait_for_another_block, again.data()), HasSubstr("wait for each other"));
  EXPECT_EQ(verdict(5, 32, true, wait_for_another_block, counter.data()),
            "launch: " + std::to_string(cudaErrorCooperativeLaunchTooLarge));
}

TEST_F(Fibers, RefuseLaunchesThatNoDeviceTakes) {
  const std::string invalid = "launch: " + std::to_string(cudaErrorInvalidConfiguration);
  EXPECT_EQ(verdict(0, 32, false, leave_early, 32), invalid);
  EXPECT_EQ(verdict(1, 1025, false, leave_early, 32), invalid);
}

__global__ void set_one(float* out) {
  *out = 1.f;
}

TEST_F(Fibers, ShowNothingBeforeSomeoneWaits) {
  const Held<float> held(cuda, {0.f});
  cudaLaunchConfig_t config{};
  config.stream = cuda.stream;
  ASSERT_EQ(cudaLaunchKernelEx(&config, set_one, held.data()), cudaSuccess);
  float value = -1;
  ASSERT_EQ(cudaMemcpyAsync(&value, held.data(), sizeof value, cudaMemcpyDeviceToHost, cuda.stream), cudaSuccess);
  EXPECT_EQ(value, -1);
  ASSERT_EQ(cudaStreamSynchronize(cuda.stream), cudaSuccess);
  EXPECT_EQ(value, 1);
}

TEST_F(Fibers, RefuseCopiesInTheWrongDirection) {
  const Held<float> held(cuda, {0.f});
  float value = 0;
  EXPECT_EQ(cudaMemcpyAsync(held.data(), &value, sizeof value, cudaMemcpyDeviceToHost, cuda.stream),
            cudaErrorInvalidMemcpyDirection);
  EXPECT_EQ(cudaMemcpyAsync(&value, held.data(), sizeof value, cudaMemcpyHostToDevice, cuda.stream),
            cudaErrorInvalidMemcpyDirection);
}

TEST_F(Fibers, LetNoHostTouchDeviceMemory) {
  const Held<float> held(cuda, {1.f});
  EXPECT_DEATH({ *const_cast<volatile float*>(held.data()) = 2.f; }, "");
}

#if defined(ASSAY_TSAN)
/// That TSan sees what is not ordered, and orders nothing itself, on fibers that other launches have left.
class Races : public BothBackends {
 protected:
  Races() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }

  static constexpr unsigned kBlocks = 4, kThreads = 256, kAll = kBlocks * kThreads;

  template <class... P, class... A>
  void launch(void (*kernel)(P...), A... arguments) {
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(kBlocks);
    config.blockDim = dim3(kThreads);
    config.stream = cuda.stream;
    ASSERT_EQ(cudaLaunchKernelEx(&config, kernel, arguments...), cudaSuccess);
  }
  /// TSan's verdict is the program's exit status.
  [[noreturn]] void leave() {
    cudaStreamSynchronize(cuda.stream);
    std::exit(0);
  }
};

__global__ void write_shifted(float* at, unsigned n, unsigned shift) {
  const unsigned i = blockIdx.x * (n / gridDim.x) + threadIdx.x;
  at[(i + shift) % n] = static_cast<float>(i);
}
__global__ void write_next_too(float* at, unsigned n) {
  const unsigned i = blockIdx.x * (n / gridDim.x) + threadIdx.x;
  __syncthreads();
  at[i] = 1.f;
  at[(i + 1) % n] = 2.f;
}
__global__ void write_as_other_blocks_do(float* at) {
  at[threadIdx.x] = 1.f;
}
__global__ void write_in_turn(float* at, unsigned n, bool with_barrier) {
  float* row = at + blockIdx.x * (n / gridDim.x);
  row[threadIdx.x] = 1.f;
  if (with_barrier) __syncthreads();
  row[n / gridDim.x - 1 - threadIdx.x] = 2.f;
}

TEST_F(Races, AreNoneBetweenLaunches) {
  const Held<float> held(cuda, std::vector<float>(kAll));
  const auto run = [&] {
    for (unsigned i = 0; i < 5; ++i) launch(write_shifted, held.data(), kAll, 1 + i * 300);
    launch(write_in_turn, held.data(), kAll, true);
    cudaStreamSynchronize(cuda.stream);
    for (unsigned i = 0; i < kAll; ++i) held.data()[i] = 3.f;
    launch(write_shifted, held.data(), kAll, 7u);
    leave();
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(0), "");
}

TEST_F(Races, AreSeenWithinALaunch) {
  const Held<float> held(cuda, std::vector<float>(kAll));
  const auto before = [&] {
    for (unsigned i = 0; i < 3; ++i) launch(write_shifted, held.data(), kAll, 1 + i * 300);
  };
  const auto seen = testing::ExitedWithCode(66);
  EXPECT_EXIT((before(), launch(write_next_too, held.data(), kAll), leave()), seen, "data race");
  EXPECT_EXIT((before(), launch(write_as_other_blocks_do, held.data()), leave()), seen, "data race");
  EXPECT_EXIT((before(), launch(write_in_turn, held.data(), kAll, false), leave()), seen, "data race");
}
#endif

}  // namespace
}  // namespace assay
#endif
