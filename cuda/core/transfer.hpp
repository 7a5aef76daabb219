#pragma once
#include <cstddef>

#include "assay/core/device.hpp"

// Everything that crosses between host and device. Two functions bring anything back: fetch_unit and export_images.
namespace assay {

/// Host to device, ordered on exec's stream; `from` may be reused on return.
void upload(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// A unit's finished statistics and per-sample rows, device to host. Waits for them.
void fetch_unit(const Exec& exec, void* to, const void* from, std::size_t bytes);

/// Images that a user asked to have written, device to host. Waits for them.
void export_images(const Exec& exec, void* to, const void* from, std::size_t bytes);

}  // namespace assay
