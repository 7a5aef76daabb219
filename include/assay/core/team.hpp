#pragma once
#include <algorithm>

#include "assay/core/device.hpp"
#include "assay/core/error.hpp"
#if defined(__CUDACC__)
#include <cuda_runtime.h>
#endif

// A team works on one row (a sample, a lane, a chunk). The same functor runs on a CPU thread (SerialTeam) and on a CUDA
// block (BlockTeam), and both add floating-point numbers in the same order:
//   - element i of each/sum/max/count belongs to worker i % 256, so a worker may read what it wrote in an earlier call
//     at the same index without a sync(); reading another worker's element needs one.
//   - sum: per segment of 32 Ki elements, 256 strided partial sums and a fixed tree; segments are added in order.
namespace assay {

constexpr int kTeamWidth = 256;
constexpr std::int64_t kSegment = 32 * 1024;
static_assert(kSegment % kTeamWidth == 0);

/// The CPU's team: one thread, plain loops that the compiler vectorises.
class SerialTeam {
 public:
  template <class F>
  ASSAY_HD void each(std::int64_t n, const F& f) const {
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC ivdep
#endif
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }

  template <class F>
  ASSAY_HD auto sum(std::int64_t n, const F& f) const {
    using T = decltype(f(std::int64_t{0}));
    T total{};
    for (std::int64_t first = 0; first < n; first += kSegment) {
      const std::int64_t end = first + kSegment < n ? first + kSegment : n;
      T partial[kTeamWidth] = {};
      std::int64_t i = first;
      for (; i + kTeamWidth <= end; i += kTeamWidth)
        for (int k = 0; k < kTeamWidth; ++k) partial[k] += f(i + k);
      for (int k = 0; i < end; ++i, ++k) partial[k] += f(i);
      int width = kTeamWidth;
      while (width / 2 >= end - first) width /= 2;  // the rest is zeros
      for (int half = width / 2; half > 0; half /= 2)
        for (int k = 0; k < half; ++k) partial[k] += partial[k + half];
      total += partial[0];
    }
    return total;
  }

  /// The largest f(i); NaN never wins. `lowest` for n = 0.
  template <class T, class F>
  ASSAY_HD T max(std::int64_t n, T lowest, const F& f) const {
    T best = lowest;
    for (std::int64_t i = 0; i < n; ++i) {
      const T v = f(i);
      best = v > best ? v : best;
    }
    return best;
  }

  template <class P>
  ASSAY_HD std::int64_t count(std::int64_t n, const P& p) const {
    return sum(n, [&](std::int64_t i) { return static_cast<std::int64_t>(p(i) ? 1 : 0); });
  }

  template <class F>
  ASSAY_HD void once(const F& f) const {
    f();
  }
  ASSAY_HD void sync() const {}
};

#if defined(__CUDACC__)
#define ASSAY_BLOCK __device__
#else
#define ASSAY_BLOCK
#endif

/// A team of kTeamWidth workers that share memory and a barrier. `Block` gives worker() (0..255), sync() and shared()
/// (kTeamWidth * 8 bytes): a CUDA block on the device, threads in tests.
template <class Block>
class BlockTeam {
 public:
  ASSAY_BLOCK explicit BlockTeam(Block& block) : block_(block) {}

  template <class F>
  ASSAY_BLOCK void each(std::int64_t n, const F& f) const {
    for (std::int64_t i = block_.worker(); i < n; i += kTeamWidth) f(i);
  }

  template <class F>
  ASSAY_BLOCK auto sum(std::int64_t n, const F& f) const {
    using T = decltype(f(std::int64_t{0}));
    T total{};
    for (std::int64_t first = 0; first < n; first += kSegment) {
      const std::int64_t end = first + kSegment < n ? first + kSegment : n;
      T partial{};
      for (std::int64_t i = first + block_.worker(); i < end; i += kTeamWidth) partial += f(i);
      total += tree(partial, [](T a, T b) { return a + b; });
    }
    return total;
  }

  template <class T, class F>
  ASSAY_BLOCK T max(std::int64_t n, T lowest, const F& f) const {
    T best = lowest;
    for (std::int64_t i = block_.worker(); i < n; i += kTeamWidth) {
      const T v = f(i);
      best = v > best ? v : best;
    }
    return tree(best, [](T a, T b) { return b > a ? b : a; });
  }

  template <class P>
  ASSAY_BLOCK std::int64_t count(std::int64_t n, const P& p) const {
    return sum(n, [&](std::int64_t i) { return static_cast<std::int64_t>(p(i) ? 1 : 0); });
  }

  /// Runs f on one worker; what it writes is visible to all afterwards, what they read before is not overtaken.
  template <class F>
  ASSAY_BLOCK void once(const F& f) const {
    block_.sync();
    if (block_.worker() == 0) f();
    block_.sync();
  }
  ASSAY_BLOCK void sync() const { block_.sync(); }

 private:
  template <class T, class Op>
  ASSAY_BLOCK T tree(T mine, const Op& op) const {
    static_assert(sizeof(T) <= 8);
    T* const partial = static_cast<T*>(block_.shared());
    partial[block_.worker()] = mine;
    block_.sync();
    for (int half = kTeamWidth / 2; half > 0; half /= 2) {
      if (block_.worker() < half)
        partial[block_.worker()] = op(partial[block_.worker()], partial[block_.worker() + half]);
      block_.sync();
    }
    const T result = partial[0];
    block_.sync();  // the next reduction writes here
    return result;
  }
  Block& block_;
};

#if defined(__CUDACC__)
struct CudaBlock {
  void* memory;
  __device__ int worker() const { return static_cast<int>(threadIdx.x); }
  __device__ void sync() const { __syncthreads(); }
  __device__ void* shared() const { return memory; }
};

template <class F>
__global__ void __launch_bounds__(kTeamWidth) team_kernel(std::int64_t rows, F f) {
  __shared__ double memory[kTeamWidth];
  CudaBlock block{memory};
  BlockTeam<CudaBlock> team(block);
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) f(team, row);
}
#endif

/// Calls f(team, row) for row in [0, rows), asynchronously on exec.stream for the CUDA backend. F is a named functor,
/// copied to the device, that throws nothing.
template <class F>
void for_each_team(const Exec& exec, std::int64_t rows, const F& f) {
  if (rows == 0) return;  // a grid of 0 blocks is a launch error
#if defined(__CUDACC__)
  if (exec.backend == Backend::cuda) {
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>(rows, 65535));
    team_kernel<<<blocks, kTeamWidth, 0, exec.stream>>>(rows, f);
    ASSAY_CUDA_CHECK(cudaGetLastError());
    return;
  }
#else
  require_cpu(exec);
#endif
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < rows; ++row) {
    SerialTeam team;
    f(team, row);
  }
}

/// Adds to a 64-bit counter that other teams add to as well. Exact, so the order doesn't matter.
ASSAY_HD void atomic_add(std::uint64_t* counter, std::uint64_t amount) {
#if defined(__CUDA_ARCH__)
  atomicAdd(reinterpret_cast<unsigned long long*>(counter), static_cast<unsigned long long>(amount));
#else
  __atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);
#endif
}

}  // namespace assay
