#pragma once
#include <functional>
#include <string>
#include <vector>

#include "assay/core/device.hpp"
#include "assay/core/registry.hpp"

namespace assay {

/// Constants of a corruption by image size: those of ImageNet-C (224) and of CIFAR-10-C (32).
enum class Table { c32 = 32, c224 = 224 };

/// One batch to corrupt. Images are uint8, N x C x H x W with C = 1 or 3; a single channel is read as three equal ones.
/// `out` is N x 3 x H x W float in [0, 1], not yet quantised.
struct CorruptionBatch {
  Images<const std::uint8_t> images;
  float* out = nullptr;
  const std::uint32_t* sample = nullptr;     ///< n data-set indices, on the device
  const std::uint32_t* constants = nullptr;  ///< what `constants` below returned, on the device
  float* draws = nullptr;                    ///< optional: n x draws_per_element x 3 x H x W, what was drawn
  std::uint64_t seed = 0;
};

struct CorruptionArgs {
  int severity = 1;  ///< 1 (mild) .. 5 (severe)
  Table table = Table::c224;
  bool operator==(const CorruptionArgs&) const = default;
};

/// One ImageNet-C corruption (Hendrycks & Dietterich 2019, arXiv:1903.12261).
struct Corruption {
  std::string about;
  /// What `draws` holds, one name for each value drawn an element ("normal", "uniform" ...); empty: deterministic.
  std::vector<std::string> draws;
  /// Queues the corruption of one batch on exec; allocates nothing, waits for nothing.
  void (*apply)(const Exec& exec, const CorruptionArgs& args, const CorruptionBatch& batch) = nullptr;
  /// Optional lookup table, computed once on the host.
  std::vector<std::uint32_t> (*constants)(const CorruptionArgs& args) = nullptr;
  std::string source = "Hendrycks & Dietterich 2019, arXiv:1903.12261";
};
#define ASSAY_CORRUPTION(name, ...)                                     \
  const ::assay::Registry<::assay::Corruption>::Add assay_corruption_ { \
    name, ::assay::Corruption {                                         \
      __VA_ARGS__                                                       \
    }                                                                   \
  }

/// "auto", "32" or "224" for images with this longer side; throws assay::Error (exit 2) for sizes whose constants are
/// not here (49 to 144: Tiny-ImageNet-C's) unless a table is named.
Table choose_table(const std::string& name, std::int64_t side);

}  // namespace assay
