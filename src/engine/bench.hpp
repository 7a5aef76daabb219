#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "assay/core/device.hpp"

namespace assay {

/// What is timed: shapes that no cache holds, and small ones, where a launch costs as much as its work.
struct BenchOptions {
  std::string filter;  ///< only lines whose kind, name and shape contain it
  int repeat = 7;      ///< timed loops of each
  int severity = 3;    ///< of corruptions, with the constants of `table` (as in choose_table)
  std::string table = "auto";
  double least_ms = 5;  ///< of a loop; it launches until then, but not forever
  std::vector<std::array<std::int64_t, 4>> images = {{128, 3, 32, 32}, {64, 3, 224, 224}};  ///< N x C x H x W
  std::vector<std::pair<std::int64_t, int>> logits = {{128, 10}, {8192, 1000}};             ///< rows, classes
  std::vector<std::int64_t> samples = {10000, 4000000};
};

/// A kernel alone: milliseconds a launch, the median of the loops and their ends.
struct BenchLine {
  std::string kind, name, shape;
  double ms = 0, fastest_ms = 0, slowest_ms = 0;
  std::int64_t bytes = 0;          ///< that a launch must read and write, each once
  double gb_s = 0, copy_gb_s = 0;  ///< 10^9 bytes a second: its own, and of a copy of as many timed in turn with it
};

/// Times every registered corruption and what makes bytes of its reals (kind "engine", "quantise"), every attack (start
/// and advance), loss and metric on exec, without any model; `each` gets the lines as they come.
void bench_kernels(const Exec& exec, const BenchOptions& options, const std::function<void(const BenchLine&)>& each);

}  // namespace assay
