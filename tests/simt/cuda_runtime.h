#pragma once
// Stands in for CUDA's <cuda_runtime.h> where the CUDA backend is compiled by a C++ compiler (ASSAY_SIMT): kernels run
// on the CPU with every CUDA thread a fiber, and the runtime's functions work on a device made of locked host memory.
// Only what assay calls is here. Numbers are those of CUDA 13.
//
// It is stricter than a device. A kernel that a block's threads leave in different ways, a barrier or a shuffle that
// not all of them reach, a launch that no device takes: all end in an error that names the lines. Shared memory begins
// as NaNs. Blocks and threads run in a chosen order. To TSan, two threads are ordered by barriers and atomics alone.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <string>
#include <tuple>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
#define ASSAY_SHARED(T, name, n) \
  T(&name)[n] = *static_cast<T(*)[n]>(::simt::shared(sizeof(T) * (n), std::source_location::current()))

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// What a kernel calls.

namespace simt {
using Place = std::source_location;

unsigned thread_index();
unsigned block_index();
unsigned grid_size();
void barrier(const Place& place);
void yield();
void* shared(std::size_t bytes, const Place& place);
/// The value that the thread of this warp's lane `source` gave to the same exchange.
std::uint64_t exchange(unsigned mask, std::uint64_t value, unsigned source, const Place& place);
unsigned lane();
}  // namespace simt

template <unsigned (*value)()>
struct BuiltIn {
  struct {
    operator unsigned() const { return value(); }
  } x;
};
inline constexpr BuiltIn<simt::thread_index> threadIdx{};
inline constexpr BuiltIn<simt::block_index> blockIdx{};
inline constexpr BuiltIn<simt::grid_size> gridDim{};

inline void __syncthreads(const simt::Place& place = simt::Place::current()) {
  simt::barrier(place);
}
inline void __nanosleep(unsigned) {
  simt::yield();
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int by, const simt::Place& place = simt::Place::current()) {
  static_assert(sizeof(T) <= 8);
  const unsigned own = simt::lane(), from = own + static_cast<unsigned>(by);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = simt::exchange(mask, bits, from < 32 ? from : own, place);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

namespace assay {
inline void arrive(unsigned* counter) {
  std::atomic_ref(*counter).fetch_add(1, std::memory_order_release);
}
inline unsigned arrivals(unsigned* counter) {
  return std::atomic_ref(*counter).load(std::memory_order_acquire);
}
}  // namespace assay

// What the host calls.

enum cudaError_t : int {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidMemcpyDirection = 21,
  cudaErrorDevicesUnavailable = 46,
  cudaErrorECCUncorrectable = 214,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchFailure = 719,
  cudaErrorCooperativeLaunchTooLarge = 720,
};
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16 };
enum : unsigned { cudaHostAllocDefault = 0, cudaEventDisableTiming = 2 };
enum cudaLaunchAttributeID { cudaLaunchAttributeCooperative = 2 };
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  union {
    int cooperative;
  } val;
};
struct CUstream_st;
using cudaStream_t = CUstream_st*;
struct CUevent_st;
using cudaEvent_t = CUevent_st*;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};

namespace simt {
cudaError_t queue_launch(const cudaLaunchConfig_t& config, std::function<void()> thread);
cudaError_t residency(int* blocks);
}  // namespace simt

cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaMalloc(void** data, std::size_t bytes);
cudaError_t cudaFree(void* data);
cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaStreamCreate(cudaStream_t* stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total);
cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* data);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);

template <class... P, class... A>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(P...), A&&... arguments) {
  return simt::queue_launch(*config, [kernel, values = std::tuple<P...>(arguments...)] { std::apply(kernel, values); });
}
template <class Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel, int, std::size_t) {
  return simt::residency(blocks);
}

// What a test sees and sets.

namespace simt {

/// In which order blocks run, and threads within each.
struct Order {
  enum Kind { forward, reverse, shuffled } kind = forward;
  unsigned seed = 0;
};

/// A call of the runtime that queued work, waited or allocated.
struct Call {
  enum Kind { launch, to_device, to_host, on_device, fill, synchronize, await_event, allocate, release } kind;
  std::size_t bytes;  ///< of copies, fills and allocations; blocks of launches
  cudaStream_t stream;
  bool operator==(const Call&) const = default;
};

/// The only device there is.
struct Device {
  Order order;
  int processors = 2, blocks_a_processor = 2;
  /// The call (counted from 1; cudaFree and cudaStreamDestroy are left out) from which on every call fails with
  /// `fault`, as after a sticky error; 0: none does.
  int fault_at = 0;
  cudaError_t fault = cudaErrorLaunchFailure;
  bool sticky = true;  ///< false: that one call alone fails
  int calls = 0;
  std::size_t memory = std::size_t{1} << 40;  ///< more than this cannot be allocated
  std::vector<Call> log;
  std::uint64_t blocks = 0;  ///< that were run
};
Device& device();

/// What was wrong with the last kernel that failed; it is returned as cudaErrorLaunchFailure by the calls that follow.
const std::string& fault_text();
/// As a new process finds the device: Device{}, no fault, nothing queued. Memory and streams stay.
void restart();

}  // namespace simt
