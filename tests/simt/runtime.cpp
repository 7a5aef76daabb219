// The runtime's half of the stand-in. Work on a stream is queued and runs when someone waits for it, so a wait that was
// forgotten shows as data that is not there. Device memory is locked except while queued work runs, so that touching it
// from the host faults.
#include <sys/mman.h>

#include <deque>
#include <map>
#include <set>

#include "simt/simt.hpp"

struct CUstream_st {
  std::deque<std::function<void()>> queue;
};
struct CUevent_st {
  cudaStream_t stream = nullptr;  // of the last record
  bool reached = true;
  int records = 0;
};

namespace simt {
namespace {

constexpr std::size_t kPage = 4096;

struct Allocation {
  std::size_t bytes;
  std::byte* pages;
  std::size_t mapped;
};
std::map<const std::byte*, Allocation>& allocations() {
  static std::map<const std::byte*, Allocation> all;
  return all;
}
std::size_t& allocated() {
  static std::size_t bytes = 0;
  return bytes;
}
std::set<CUstream_st*>& streams() {
  static std::set<CUstream_st*> all;
  return all;
}
std::string& kernel_fault() {
  static std::string text;
  return text;
}

/// TSan looks at what is ordered, not at what is locked, and makes changing a page's protection slow.
#if defined(ASSAY_TSAN)
constexpr bool kLocks = false;
#else
constexpr bool kLocks = true;
#endif

void lock(int protection) {
  if (!kLocks) return;
  for (const auto& [data, allocation] : allocations()) mprotect(allocation.pages, allocation.mapped, protection);
}

bool on_device(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  auto next = allocations().upper_bound(from);
  if (next == allocations().begin()) return false;
  const auto& [base, allocation] = *--next;
  return from + bytes <= base + allocation.bytes;
}

/// What the call returns unless it is to fail; every call goes through it.
bool fails(cudaError_t& code) {
  Device& d = device();
  ++d.calls;
  code = cudaSuccess;
  if (!kernel_fault().empty()) code = cudaErrorLaunchFailure;
  if (d.fault_at > 0 && (d.sticky ? d.calls >= d.fault_at : d.calls == d.fault_at)) code = d.fault;
  return code != cudaSuccess;
}

/// Runs what is queued, in order, until the event is reached where one is given.
void drain(cudaStream_t stream, const CUevent_st* until = nullptr) {
  lock(PROT_READ | PROT_WRITE);
  while (!stream->queue.empty() && kernel_fault().empty() && (until == nullptr || !until->reached)) {
    const std::function<void()> work = std::move(stream->queue.front());
    stream->queue.pop_front();
    work();
  }
  if (!kernel_fault().empty()) stream->queue.clear();
  lock(PROT_NONE);
}

}  // namespace

Device& device() {
  static Device the_only;
  return the_only;
}
const std::string& fault_text() {
  return kernel_fault();
}
void restart() {
  device() = {};
  kernel_fault().clear();
  for (CUstream_st* stream : streams()) stream->queue.clear();
}

cudaError_t residency(int* blocks) {
  cudaError_t code;
  if (fails(code)) return code;
  *blocks = device().blocks_a_processor;
  return cudaSuccess;
}

cudaError_t queue_launch(const cudaLaunchConfig_t& config, std::function<void()> thread) {
  cudaError_t code;
  if (fails(code)) return code;
  const Device& d = device();
  const dim3 blocks = config.gridDim, threads = config.blockDim;
  if (config.stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (blocks.x == 0 || threads.x == 0 || threads.x > 1024 || blocks.y * blocks.z * threads.y * threads.z != 1)
    return cudaErrorInvalidConfiguration;
  bool together = false;
  for (unsigned a = 0; a < config.numAttrs; ++a) together = together || config.attrs[a].val.cooperative != 0;
  if (together && blocks.x > static_cast<unsigned>(d.processors * d.blocks_a_processor))
    return cudaErrorCooperativeLaunchTooLarge;
  device().log.push_back({Call::launch, blocks.x, config.stream});
  config.stream->queue.push_back(
      [=, thread = std::move(thread)] { kernel_fault() = run(blocks, threads, together, thread); });
  return cudaSuccess;
}

}  // namespace simt

using simt::Call;
using simt::device;

cudaError_t cudaGetDevice(int* number) {
  cudaError_t code;
  if (!simt::fails(code)) *number = 0;
  return code;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  cudaError_t code;
  if (!simt::fails(code)) *value = device().processors;
  return code;
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  cudaError_t code;
  if (simt::fails(code)) return code;
  if (bytes > device().memory - simt::allocated()) return cudaErrorMemoryAllocation;
  // At the end of its pages, before one that is never unlocked, so that going past it faults; aligned for loads of 128
  // bits.
  const std::size_t used = (bytes + 15) / 16 * 16;
  const std::size_t mapped = (used + simt::kPage - 1) / simt::kPage * simt::kPage;
  void* pages = mmap(nullptr, mapped + simt::kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return cudaErrorMemoryAllocation;
  std::memset(pages, 0xFF, mapped);
  mprotect(static_cast<std::byte*>(pages) + mapped, simt::kPage, PROT_NONE);
  if (simt::kLocks) mprotect(pages, mapped, PROT_NONE);
  auto* const first = static_cast<std::byte*>(pages);
  simt::allocations()[first + (mapped - used)] = {bytes, first, mapped};
  simt::allocated() += bytes;
  device().log.push_back({Call::allocate, bytes, nullptr});
  *data = first + (mapped - used);
  return cudaSuccess;
}

cudaError_t cudaFree(void* data) {
  const auto found = simt::allocations().find(static_cast<std::byte*>(data));
  if (found == simt::allocations().end()) return cudaErrorInvalidValue;
  for (CUstream_st* stream : simt::streams()) simt::drain(stream);  // as the real one: what is queued may use it
  device().log.push_back({Call::release, found->second.bytes, nullptr});
  simt::allocated() -= found->second.bytes;
  munmap(found->second.pages, found->second.mapped + simt::kPage);
  simt::allocations().erase(found);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream) {
  cudaError_t code;
  if (simt::fails(code)) return code;
  if (!simt::on_device(data, bytes)) return cudaErrorInvalidValue;
  device().log.push_back({Call::fill, bytes, stream});
  stream->queue.push_back([=] { std::memset(data, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  cudaError_t code;
  if (simt::fails(code)) return code;
  const bool to_device = simt::on_device(to, bytes), from_device = simt::on_device(from, bytes);
  const cudaMemcpyKind real = to_device ? (from_device ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice)
                                        : (from_device ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost);
  if (kind != real) return cudaErrorInvalidMemcpyDirection;
  const Call::Kind call = to_device ? (from_device ? Call::on_device : Call::to_device) : Call::to_host;
  device().log.push_back({call, bytes, stream});
  stream->queue.push_back([=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  cudaError_t code;
  if (!simt::fails(code)) simt::streams().insert(*stream = new CUstream_st);
  return code;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  simt::streams().erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  cudaError_t code;
  if (simt::fails(code)) return code;
  device().log.push_back({Call::synchronize, 0, stream});
  simt::drain(stream);
  return simt::kernel_fault().empty() ? cudaSuccess : cudaErrorLaunchFailure;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  cudaError_t code;
  if (simt::fails(code)) return code;
  *total = device().memory;
  *free = device().memory - simt::allocated();
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned) {
  cudaError_t code;
  if (!simt::fails(code)) *data = ::operator new(bytes);
  return code;
}

cudaError_t cudaFreeHost(void* data) {
  ::operator delete(data);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  cudaError_t code;
  if (!simt::fails(code)) *event = new CUevent_st;
  return code;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  cudaError_t code;
  if (simt::fails(code)) return code;
  event->stream = stream;
  event->reached = false;
  // One that was recorded anew is not reached where its last record was queued.
  const int record = ++event->records;
  stream->queue.push_back([event, record] { event->reached = event->records == record; });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  cudaError_t code;
  if (simt::fails(code)) return code;
  device().log.push_back({Call::await_event, 0, event->stream});
  if (event->stream != nullptr) simt::drain(event->stream, event);
  return simt::kernel_fault().empty() ? cudaSuccess : cudaErrorLaunchFailure;
}
