#pragma once
#include <cstddef>

#include "assay/core/device.hpp"

// Everything that crosses between host and device, and every copy and wait. Two functions bring anything back:
// fetch_unit and export_images.
namespace assay {

/// Host to device, ordered on exec's stream; `from` may be reused on return.
void upload(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// A unit's finished statistics and per-sample rows, device to host. Waits for them.
void fetch_unit(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// Images that a user asked to have written, device to host. Waits for them.
void export_images(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// From exec's memory to exec's memory, queued on it: what a kernel's speed is compared with.
void copy_within(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// Returns when all that was queued on exec is done. For clocks: results come with the functions above.
void drain(const Exec& exec);

}  // namespace assay
