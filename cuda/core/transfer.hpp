#pragma once
#include <cstddef>

#include "assay/core/device.hpp"

// Everything that crosses between host and device. Two functions bring anything back: fetch_unit and export_images.
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

/// A unit's finished statistics and per-sample rows, device to host. Waits for them.
void fetch_unit(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// Images that a user asked to have written, device to host. Waits for them.
void export_images(const Exec& exec, void* to, const void* from, std::size_t bytes);

}  // namespace assay
