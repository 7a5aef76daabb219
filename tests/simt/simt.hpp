#pragma once
#include <string>

#include "simt/cuda_runtime.h"

namespace simt {

/// Runs a grid of one-dimensional blocks: `body` is one thread's work. `together`: all blocks are in flight at once, as
/// a cooperative launch promises. Returns what was wrong with the kernel; empty: nothing.
std::string run(const dim3& blocks, const dim3& threads, bool together, const std::function<void()>& body);

}  // namespace simt
