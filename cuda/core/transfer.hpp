#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "assay/core/device.hpp"

// Everything that crosses between host and device, and every copy and wait. Three things bring anything back:
// fetch_unit, Counter and export_images.
namespace assay {

/// Host to device, ordered on exec's stream; `from` may be reused on return.
void upload(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// Large uploads, through two pinned buffers: the host fills one while the other is copied. On the CPU it just copies.
class Uploader {
 public:
  static constexpr std::size_t kChunk = std::size_t{8} << 20;

  explicit Uploader(const Exec& exec, std::size_t chunk = kChunk);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  /// Queued on exec's stream; `from` may be reused on return. Waits for no more than the copy before the last one.
  void upload(void* to, const void* from, std::size_t bytes);

 private:
  Exec exec_;
  std::size_t chunk_;
  struct Pinned;
  Pinned* pinned_ = nullptr;  // two
  int next_ = 0;
};

/// The one thing that the host reads while a unit is under way: a few counts, as they were `lag` steps ago. So it waits
/// for a step that is long done, and what it decides depends on the data alone, never on how fast anything was.
class Counter {
 public:
  static constexpr std::size_t kWords = 4;
  using Counts = std::array<std::uint32_t, kWords>;

  Counter(const Exec& exec, int lag);
  ~Counter();
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  /// Queues a copy of the counts (device memory) and returns those of `lag` calls ago; of the first call, until there
  /// are that many. `now`: waits for the ones that it queues.
  Counts read(const void* counts, bool now = false);
  /// As at first.
  void restart() { reads_ = 0; }

 private:
  Exec exec_;
  std::size_t slots_;
  std::size_t reads_ = 0;
  Counts latest_{};
  struct Slots;
  Slots* pinned_ = nullptr;
};

/// A unit's finished statistics and per-sample rows, the order of a cell's, or the logits of a check, device to host.
/// Waits for them.
void fetch_unit(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// Images that a user asked to have written and what belongs to them, device to host. Waits for them.
void export_images(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// From exec's memory to exec's memory, queued on it: what a kernel's speed is compared with.
void copy_within(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// Returns when all that was queued on exec is done. For clocks: results come with the functions above.
void drain(const Exec& exec);

}  // namespace assay
