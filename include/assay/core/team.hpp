#pragma once
#include <algorithm>
#include <type_traits>

#include "assay/core/device.hpp"
#include "assay/core/error.hpp"
#include "assay/core/kernel.hpp"

// A team works on one row (a sample, a lane, a chunk). The same functor runs on a CPU thread (SerialTeam), on a CUDA
// block, and for long rows on several blocks (BlockTeam); all add floating-point numbers in the same order:
//   - element i belongs to worker (i / 4) % 256, so a worker may read what it wrote in an earlier call at the same
//   index
//     without a sync(); reading another worker's element needs one. Four at a time, so that loads have 128 bits.
//   - sum: per segment of 32 Ki elements, 1,024 strided partial sums, four of them to a worker, and a fixed tree;
//     segments are added in order.
namespace assay {

constexpr int kTeamWidth = 256;
constexpr int kTeamElements = 4 * kTeamWidth;
constexpr std::int64_t kSegment = 32 * 1024;
static_assert(kSegment % kTeamElements == 0);

/// Four consecutive elements of a row, the first one's index a multiple of four.
template <class T>
struct alignas(4 * sizeof(T)) Quad {
  T v[4];
};

namespace quads {

template <class T>
ASSAY_HD bool aligned(const T* at) {
  return reinterpret_cast<std::uintptr_t>(at) % sizeof(Quad<T>) == 0;
}
template <class T>
ASSAY_HD Quad<T> load(const T* at) {
  return *reinterpret_cast<const Quad<T>*>(at);
}
template <class T>
ASSAY_HD void store(T* at, const Quad<T>& quad) {
#if defined(__CUDA_ARCH__)
  // Of a struct, NVVM for sm_80 and sm_90 makes four stores where `at` is a loop's pointer.
  if constexpr (std::is_same_v<T, float>) {
    __stwb(reinterpret_cast<float4*>(at), make_float4(quad.v[0], quad.v[1], quad.v[2], quad.v[3]));
    return;
  }
#endif
  *reinterpret_cast<Quad<T>*>(at) = quad;
}
/// Element by element, the first `count` of them; the others are zero.
template <class T>
ASSAY_HD Quad<T> gather(const T* at, std::int64_t count) {
  Quad<T> quad{};
  for (int k = 0; k < 4; ++k)
    if (k < count) quad.v[k] = at[k];
  return quad;
}
template <class T>
ASSAY_HD void scatter(T* at, const Quad<T>& quad, std::int64_t count) {
  for (int k = 0; k < 4; ++k)
    if (k < count) at[k] = quad.v[k];
}

}  // namespace quads

/// The CPU's team: one thread, plain loops that the compiler vectorises.
class SerialTeam {
 public:
  /// Pixels of a line that `each_strip` hands out at once. More than 16: such loops g++ would unroll before it could
  /// vectorise them.
  static constexpr int kStrip = 32;

  /// f(i) for i in [0, n).
  template <class F>
  ASSAY_HD void each(std::int64_t n, const F& f) const {
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC ivdep
#endif
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }

  /// f(y, x) for the first pixel of every strip of the h lines of w pixels; a line's last strip may reach past its end.
  template <class F>
  ASSAY_HD void each_strip(int h, int w, const F& f) const {
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; x += kStrip) f(y, x);
  }

  /// out[i] = f(in[i]...) for i in [0, n); `out` may be one of `in`.
  template <class T, class F, class... In>
  ASSAY_HD void map(std::int64_t n, T* out, const F& f, const In*... in) const {
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC ivdep
#endif
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(in[i]...);
  }

  /// The same four at a time: f(q, quads of in...) is the Quad<T> for out[4 q .. 4 q + 3]. What it gives for elements
  /// past n is dropped.
  template <class T, class F, class... In>
  ASSAY_HD void map_quads(std::int64_t n, T* out, const F& f, const In*... in) const {
    const std::int64_t whole = n / 4;
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC ivdep
#endif
    for (std::int64_t q = 0; q < whole; ++q) {
      const Quad<T> made = f(q, quads::gather(in + 4 * q, 4)...);
      for (int k = 0; k < 4; ++k) out[4 * q + k] = made.v[k];
    }
    if (const std::int64_t i = 4 * whole; i < n)
      quads::scatter(out + i, f(whole, quads::gather(in + i, n - i)...), n - i);
  }

  /// The sum of at most kFew, as below but with loops whose length is known.
  static constexpr int kFew = 16;
  template <class T, class F>
  ASSAY_HD static T few(int n, const F& f) {
    T partial[kFew] = {};
    for (int k = 0; k < n; ++k) partial[k] = f(k);
    for (int k = 0; k < kFew; k += 4) partial[k] = (partial[k] + partial[k + 1]) + (partial[k + 2] + partial[k + 3]);
    return T{} + ((partial[0] + partial[8]) + (partial[4] + partial[12]));
  }

  template <class F>
  ASSAY_HD auto sum(std::int64_t n, const F& f) const {
    using T = decltype(f(std::int64_t{0}));
    T total{};
    if constexpr (std::is_integral_v<T>) {  // the same in any order
      for (std::int64_t i = 0; i < n; ++i) total += f(i);
    } else {
      if (n <= kFew) return few<T>(static_cast<int>(n), f);
      for (std::int64_t first = 0; first < n; first += kSegment) {
        const std::int64_t end = first + kSegment < n ? first + kSegment : n;
        int width = kTeamWidth;
        while (width > 1 && 2 * width >= end - first) width /= 2;  // the other workers have nothing but zeros
        T partial[kTeamElements];
        for (int k = 0; k < 4 * width; ++k) partial[k] = T{};
        std::int64_t i = first;
        for (; i + kTeamElements <= end; i += kTeamElements)
          for (int k = 0; k < kTeamElements; ++k) partial[k] += f(i + k);
        const auto rest = static_cast<int>(end - i);
        for (int k = 0; k < rest; ++k) partial[k] += f(i + k);
        for (int k = 0; k < width; ++k)
          partial[k] = (partial[4 * k] + partial[4 * k + 1]) + (partial[4 * k + 2] + partial[4 * k + 3]);
        for (int half = width / 2; half > 0; half /= 2)
          for (int k = 0; k < half; ++k) partial[k] += partial[k + half];
        total += partial[0];
      }
    }
    return total;
  }
  /// The sum of f(in[i]...).
  template <class F, class... In>
  ASSAY_HD auto sum_of(std::int64_t n, const F& f, const In*... in) const {
    return sum(n, [=](std::int64_t i) { return f(in[i]...); });
  }

  /// The largest f(i); NaN never wins. `lowest` for n = 0.
  template <class T, class F>
  ASSAY_HD T max(std::int64_t n, T lowest, const F& f) const {
    // Side by side, as g++ must not reorder comparisons of floats.
    constexpr int kSideBySide = 16;
    T best[kSideBySide];
    for (int k = 0; k < kSideBySide; ++k) best[k] = lowest;
    std::int64_t i = 0;
    for (; i + kSideBySide <= n; i += kSideBySide)
      for (int k = 0; k < kSideBySide; ++k) {
        const T v = f(i + k);
        best[k] = v > best[k] ? v : best[k];
      }
    for (; i < n; ++i) {
      const T v = f(i);
      best[0] = v > best[0] ? v : best[0];
    }
    if (n < kSideBySide) return best[0];
    for (int half = kSideBySide / 2; half > 0; half /= 2)
      for (int k = 0; k < half; ++k) best[k] = best[k + half] > best[k] ? best[k + half] : best[k];
    return best[0];
  }
  /// The largest f(in[i]...).
  template <class T, class F, class... In>
  ASSAY_HD T max_of(std::int64_t n, T lowest, const F& f, const In*... in) const {
    return max(n, lowest, [=](std::int64_t i) { return f(in[i]...); });
  }

  template <class P>
  ASSAY_HD std::int64_t count(std::int64_t n, const P& p) const {
    std::int64_t total = 0;
    for (std::int64_t first = 0; first < n; first += kSegment) {
      const std::int64_t end = first + kSegment < n ? first + kSegment : n;
      std::int32_t found = 0;  // as wide as what is compared
      for (std::int64_t i = first; i < end; ++i) found += p(i) ? 1 : 0;
      total += found;
    }
    return total;
  }

  /// Runs f on one worker; what it writes is visible to all afterwards, what they read before is not overtaken.
  template <class F>
  ASSAY_HD void once(const F& f) const {
    f();
  }
  /// What any worker wrote before is visible to all afterwards.
  ASSAY_HD void sync() const {}
};

#if defined(ASSAY_DEVICE_PATH)

/// A team of kTeamWidth threads, the block's, or of several such blocks. Its Block is one of the two below.
template <class Block>
class BlockTeam {
 public:
  __device__ explicit BlockTeam(const Block& block) : block_(block) {}

  static constexpr int kStrip = 1;

  template <class F>
  __device__ void each(std::int64_t n, const F& f) {
    own_quads(n, [&](std::int64_t i) {
      for (std::int64_t k = i; k < i + 4 && k < n; ++k) f(k);
    });
  }

  template <class F>
  __device__ void each_strip(int h, int w, const F& f) {
    each(std::int64_t{h} * w, [&](std::int64_t i) { f(static_cast<int>(i / w), static_cast<int>(i % w)); });
  }

  template <class T, class F, class... In>
  __device__ void map(std::int64_t n, T* out, const F& f, const In*... in) {
    own_quads(
        n, whole_quads(n, out, in...),
        [&](std::int64_t i) { quads::store(out + i, apply<T>(f, quads::load(in + i)...)); },
        [&](std::int64_t i) {
          for (std::int64_t k = i; k < i + 4 && k < n; ++k) out[k] = f(in[k]...);
        });
  }

  template <class T, class F, class... In>
  __device__ void map_quads(std::int64_t n, T* out, const F& f, const In*... in) {
    own_quads(
        n, whole_quads(n, out, in...), [&](std::int64_t i) { quads::store(out + i, f(i / 4, quads::load(in + i)...)); },
        [&](std::int64_t i) { quads::scatter(out + i, f(i / 4, quads::gather(in + i, n - i)...), n - i); });
  }

  template <class F>
  __device__ auto sum(std::int64_t n, const F& f) {
    using T = decltype(f(std::int64_t{0}));
    return sum_segments<T>(n, [&](std::int64_t i, std::int64_t end, T* partial) {
      walk(i, end, [&](std::int64_t at) {
        for (int k = 0; k < 4; ++k)
          if (at + k < n) partial[k] += f(at + k);
      });
    });
  }
  template <class F, class... In>
  __device__ auto sum_of(std::int64_t n, const F& f, const In*... in) {
    using T = decltype(f(*in...));
    const std::int64_t whole = whole_quads(n, in...);
    return sum_segments<T>(n, [&](std::int64_t i, std::int64_t end, T* partial) {
      i = walk(i, end < whole ? end : whole, [&](std::int64_t at) { add(partial, f, quads::load(in + at)...); });
      walk(i, end, [&](std::int64_t at) {
        for (int k = 0; k < 4; ++k)
          if (at + k < n) partial[k] += f(in[at + k]...);
      });
    });
  }

  template <class T, class F>
  __device__ T max(std::int64_t n, T lowest, const F& f) {
    T best = lowest;
    each(n, [&](std::int64_t i) {
      const T v = f(i);
      best = v > best ? v : best;
    });
    return whole_max(best);
  }
  template <class T, class F, class... In>
  __device__ T max_of(std::int64_t n, T lowest, const F& f, const In*... in) {
    T best = lowest;
    own_quads(
        n, whole_quads(n, in...), [&](std::int64_t i) { raise(best, f, quads::load(in + i)...); },
        [&](std::int64_t i) {
          for (std::int64_t k = i; k < i + 4 && k < n; ++k) {
            const T v = f(in[k]...);
            best = v > best ? v : best;
          }
        });
    return whole_max(best);
  }

  template <class P>
  __device__ std::int64_t count(std::int64_t n, const P& p) {
    return sum(n, [&](std::int64_t i) { return static_cast<std::int64_t>(p(i) ? 1 : 0); });
  }

  template <class F>
  __device__ void once(const F& f) {
    block_.row_sync();
    if (block_.part() == 0 && block_.worker() == 0) f();
    block_.row_sync();
  }
  __device__ void sync() { block_.row_sync(); }

 private:
  /// How many of n elements come in quads that can be moved at once: all but a tail, or none.
  template <class... T>
  __device__ static std::int64_t whole_quads(std::int64_t n, const T*... at) {
    return (quads::aligned(at) && ...) ? n / 4 * 4 : 0;
  }

  /// f(i) for i and every kTeamElements-th index after it below `end`; returns the first one from there on. Not
  /// unrolled: a row of 3,072 has three, and the registers are worth more threads.
  template <class F>
  __device__ static std::int64_t walk(std::int64_t i, std::int64_t end, const F& f) {
#pragma unroll 1
    for (; i < end; i += kTeamElements) f(i);
    return i;
  }

  /// For the first index of every quad that is this thread's: quad(i) below `whole`, rest(i) from there on. Two loops,
  /// so that the usual one holds no tail's registers.
  template <class Q, class R>
  __device__ void own_quads(std::int64_t n, std::int64_t whole, const Q& quad, const R& rest) {
    own_segments(n, [&](std::int64_t, std::int64_t i, std::int64_t end) {
      walk(walk(i, end < whole ? end : whole, quad), end, rest);
    });
  }
  template <class F>
  __device__ void own_quads(std::int64_t n, const F& f) {
    own_segments(n, [&](std::int64_t, std::int64_t i, std::int64_t end) { walk(i, end, f); });
  }
  /// f(s, i, end) for every segment s that is this block's: i is this thread's first index there.
  template <class F>
  __device__ void own_segments(std::int64_t n, const F& f) {
    for (std::int64_t s = block_.part(); s * kSegment < n; s += block_.parts()) {
      const std::int64_t first = s * kSegment;
      f(s, first + 4 * block_.worker(), first + kSegment < n ? first + kSegment : n);
    }
  }

  template <class T, class F, class... In>
  __device__ static Quad<T> apply(const F& f, const Quad<In>&... x) {
    Quad<T> y;
    for (int k = 0; k < 4; ++k) y.v[k] = f(x.v[k]...);
    return y;
  }
  template <class T, class F, class... In>
  __device__ static void add(T* partial, const F& f, const Quad<In>&... x) {
    for (int k = 0; k < 4; ++k) partial[k] += f(x.v[k]...);
  }
  template <class T, class F, class... In>
  __device__ static void raise(T& best, const F& f, const Quad<In>&... x) {
    for (int k = 0; k < 4; ++k) {
      const T v = f(x.v[k]...);
      best = v > best ? v : best;
    }
  }

  /// f(i, end, partial) adds this thread's elements of a segment, from index i on, to four partial sums.
  template <class T, class F>
  __device__ T sum_segments(std::int64_t n, const F& f) {
    T total{};
    T* const joined = block_.template partials<T>();
    own_segments(n, [&](std::int64_t s, std::int64_t i, std::int64_t end) {
      T partial[4] = {};
      f(i, end, partial);
      const T sum = tree((partial[0] + partial[1]) + (partial[2] + partial[3]), [](T a, T b) { return a + b; });
      if constexpr (Block::kWide) {
        if (block_.worker() == 0) joined[s] = sum;
      } else {
        total += sum;
      }
    });
    if constexpr (Block::kWide) {
      block_.row_sync();
      for (std::int64_t s = 0; s * kSegment < n; ++s) total += joined[s];
    }
    return total;
  }

  template <class T>
  __device__ T whole_max(T mine) {
    T best = tree(mine, [](T a, T b) { return b > a ? b : a; });
    if constexpr (Block::kWide) {
      T* const joined = block_.template partials<T>();
      if (block_.worker() == 0) joined[block_.part()] = best;
      block_.row_sync();
      for (int p = 0; p < block_.parts(); ++p) best = joined[p] > best ? joined[p] : best;
    }
    return best;
  }

  /// Folds the block's values, the upper half onto the lower one until one is left; every thread gets it.
  template <class T, class Op>
  __device__ T tree(T mine, const Op& op) {
    static_assert(sizeof(T) <= 8);
    constexpr int kWarp = 32;
    T* const slot = block_.template shared<T>();
    const int worker = block_.worker();
    slot[worker] = mine;
    block_.sync();
    if (worker < kWarp) {
      const T* own = slot + worker;
      T folded = op(op(op(own[0], own[128]), op(own[64], own[192])), op(op(own[32], own[160]), op(own[96], own[224])));
      for (int half = kWarp / 2; half > 0; half /= 2) folded = op(folded, __shfl_down_sync(~0u, folded, half));
      if (worker == 0) slot[0] = folded;
    }
    block_.sync();
    return slot[0];
  }

  Block block_;
};

/// One block on a row.
class SoloBlock {
 public:
  static constexpr bool kWide = false;
  __device__ explicit SoloBlock(double* memory) : memory_(memory) {}
  __device__ int worker() const { return static_cast<int>(threadIdx.x); }
  __device__ static constexpr int part() { return 0; }
  __device__ static constexpr int parts() { return 1; }
  __device__ void sync() const { __syncthreads(); }
  __device__ void row_sync() const { __syncthreads(); }
  /// Two arrays of kTeamWidth in turn: the barriers within a reduction part it from the one before the last.
  template <class T>
  __device__ T* shared() {
    turn_ ^= 1;
    return reinterpret_cast<T*>(memory_ + turn_ * kTeamWidth);
  }
  template <class T>
  __device__ T* partials() const {
    return nullptr;
  }

 private:
  double* memory_;
  int turn_ = 0;
};

/// Where the blocks of one row meet, in device memory.
struct Meeting {
  unsigned arrived;  ///< zero at launch
  unsigned unused;
  // Followed by two arrays of `joined` doubles, used in turn as those of SoloBlock.

  ASSAY_HD static std::int64_t bytes(std::int64_t joined) { return 8 + 2 * 8 * joined; }
};

/// One of `parts` blocks on a row. All of them must be on the device at once: a cooperative launch.
class WideBlock {
 public:
  static constexpr bool kWide = true;
  __device__ WideBlock(double* memory, int part, int parts, Meeting* meeting, std::int64_t joined)
      : solo_(memory), meeting_(meeting), joined_(joined), part_(part), parts_(parts) {}
  __device__ int worker() const { return solo_.worker(); }
  __device__ int part() const { return part_; }
  __device__ int parts() const { return parts_; }
  __device__ void sync() const { solo_.sync(); }
  __device__ void row_sync() {
    __syncthreads();
    expected_ += static_cast<unsigned>(parts_);
    if (worker() == 0) {
      arrive(&meeting_->arrived);
      while (arrivals(&meeting_->arrived) < expected_) __nanosleep(100);
    }
    __syncthreads();
  }
  template <class T>
  __device__ T* shared() {
    return solo_.shared<T>();
  }
  template <class T>
  __device__ T* partials() {
    turn_ ^= 1;
    return reinterpret_cast<T*>(reinterpret_cast<double*>(meeting_ + 1) + turn_ * joined_);
  }

 private:
  SoloBlock solo_;
  Meeting* meeting_;
  std::int64_t joined_;
  int part_, parts_;
  unsigned expected_ = 0;
  int turn_ = 0;
};

/// Teams that a multiprocessor must have room for: 64 registers a thread. Unsaid, ptxas spills to have room for more.
constexpr int kTeamsTogether = 4;
/// The same for one functor: its own F::kTeamsTogether where it has one.
template <class F>
constexpr int teams_together() {
  if constexpr (requires { F::kTeamsTogether; })
    return F::kTeamsTogether;
  else
    return kTeamsTogether;
}

template <class F>
__global__ void __launch_bounds__(kTeamWidth, teams_together<F>()) team_kernel(std::int64_t rows, F f) {
  ASSAY_SHARED(double, memory, 2 * kTeamWidth);
  BlockTeam<SoloBlock> team{SoloBlock(memory)};
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) f(team, row);
}

template <class F>
__global__ void __launch_bounds__(kTeamWidth, teams_together<F>())
    wide_team_kernel(int parts, std::byte* meetings, std::int64_t joined, F f) {
  ASSAY_SHARED(double, memory, 2 * kTeamWidth);
  const int row = static_cast<int>(blockIdx.x) / parts, part = static_cast<int>(blockIdx.x) % parts;
  auto* const meeting = reinterpret_cast<Meeting*>(meetings + row * Meeting::bytes(joined));
  BlockTeam<WideBlock> team{WideBlock(memory, part, parts, meeting, joined)};
  f(team, std::int64_t{row});
}

/// How many blocks of `kernel` the current device holds at once.
template <class Kernel>
int resident_blocks(Kernel kernel) {
  int device = 0, processors = 0, each = 0;
  ASSAY_CUDA_CHECK(cudaGetDevice(&device));
  ASSAY_CUDA_CHECK(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));
  ASSAY_CUDA_CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, kTeamWidth, 0));
  return processors * each;
}
#endif

/// Calls f(team, row) for row in [0, rows), asynchronously on exec.stream for the CUDA backend. F is a named functor,
/// copied to the device, that throws nothing.
template <class F>
void for_each_team(const Exec& exec, std::int64_t rows, const F& f) {
  if (rows == 0) return;  // a grid of 0 blocks is a launch error
#if defined(ASSAY_DEVICE_PATH)
  if (exec.backend == Backend::cuda) {
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(static_cast<unsigned>(std::min<std::int64_t>(rows, 65535)));
    config.blockDim = dim3(kTeamWidth);
    config.stream = exec.stream;
    ASSAY_CUDA_CHECK(cudaLaunchKernelEx(&config, team_kernel<F>, rows, f));
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

/// The same for rows of up to `length` elements: on the CUDA backend several blocks share a row where rows are longer
/// than a segment and too few to fill the device. The results do not depend on how many.
template <class F>
void for_each_row(const Exec& exec, std::int64_t rows, [[maybe_unused]] std::int64_t length, const F& f) {
#if defined(ASSAY_DEVICE_PATH)
  const std::int64_t segments = (length + kSegment - 1) / kSegment;
  if (exec.backend == Backend::cuda && rows > 0 && segments > 1) {
    const std::int64_t parts = std::min(segments, resident_blocks(wide_team_kernel<F>) / rows);
    const std::int64_t bytes = rows * Meeting::bytes(segments);
    if (parts > 1 && bytes <= exec.workspace_bytes) {
      ASSAY_CUDA_CHECK(cudaMemsetAsync(exec.workspace, 0, static_cast<std::size_t>(bytes), exec.stream));
      cudaLaunchAttribute together{};
      together.id = cudaLaunchAttributeCooperative;
      together.val.cooperative = 1;
      cudaLaunchConfig_t config{};
      config.gridDim = dim3(static_cast<unsigned>(rows * parts));
      config.blockDim = dim3(kTeamWidth);
      config.stream = exec.stream;
      config.attrs = &together;
      config.numAttrs = 1;
      ASSAY_CUDA_CHECK(
          cudaLaunchKernelEx(&config, wide_team_kernel<F>, static_cast<int>(parts), exec.workspace, segments, f));
      return;
    }
  }
#endif
  for_each_team(exec, rows, f);
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
