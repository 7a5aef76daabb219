#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#define ASSAY_HD __host__ __device__ inline
#else
#define ASSAY_HD inline
#endif

struct CUstream_st;  // cudaStream_t without a CUDA header

namespace assay {

enum class Backend { cpu, cuda };

/// Where buffers come from: the host's heap, or the device's caching allocator. Thread-safe.
class Memory {
 public:
  virtual ~Memory() = default;
  /// At least 64-byte aligned, uninitialised. Throws assay::Error when there is none left.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void deallocate(void* data) noexcept = 0;
  /// Bytes that are free now, about. What is computed must not depend on it.
  virtual std::size_t available() const { return SIZE_MAX; }
};
Memory& host_memory();

/// Where work runs. Passed first to everything that touches pixels or logits; never a global.
struct Exec {
  Backend backend = Backend::cpu;
  CUstream_st* stream = nullptr;  ///< used when backend == cuda; all work of one Exec is ordered on it
  Memory* memory = &host_memory();
  /// Device memory that launches on `stream` may use while they run; backend == cuda only.
  std::byte* workspace = nullptr;
  std::int64_t workspace_bytes = 0;
};

/// Non-owning, contiguous batch N x C x H x W.
template <class T>
struct Images {
  T* data = nullptr;
  std::int64_t n = 0, c = 0, h = 0, w = 0;
  ASSAY_HD std::int64_t plane() const { return h * w; }
  ASSAY_HD std::int64_t dim() const { return c * h * w; }
  ASSAY_HD std::int64_t size() const { return n * dim(); }
};

/// Ternaries, not fminf/fmaxf, which stop g++ vectorising. NaN goes to `lo`.
ASSAY_HD float clamp(float v, float lo, float hi) {
  const float low = v > lo ? v : lo;
  return low < hi ? low : hi;
}
/// 0 and 1. g++ makes masks and blends of a clamp between constants, and one instruction a bound of one between numbers
/// that it does not know.
extern const float kBox[2];
extern const double kBox64[2];
ASSAY_HD float clamp01(float v) {
#if defined(__CUDA_ARCH__)
  return clamp(v, 0.f, 1.f);
#else
  return clamp(v, kBox[0], kBox[1]);
#endif
}
ASSAY_HD double clamp01(double v) {
#if defined(__CUDA_ARCH__)
  const double none = 0, all = 1;
#else
  const double none = kBox64[0], all = kBox64[1];
#endif
  const double low = v > none ? v : none;
  return low < all ? low : all;
}

/// True for neither NaN nor infinity, whatever the compiler flags.
ASSAY_HD bool finite(float v) {
  return v - v == 0.f;
}

}  // namespace assay
