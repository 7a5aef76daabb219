#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "assay/core/registry.hpp"

namespace assay {

/// Logits kept apart for fitting, block by block, so that they may be larger than memory; every call visits the same
/// blocks in the same order.
struct HeldOut {
  int classes = 0;
  std::int64_t n = 0;
  using Visit = std::function<void(const float* logits, const std::uint16_t* labels, std::int64_t rows)>;
  std::function<void(const Visit& visit)> each;
};

using Parameters = std::map<std::string, std::vector<double>>;

/// A recalibration map. What is fitted depends on the order of the rows, but not on how they are divided into blocks.
struct Scaling {
  std::string definition;
  /// Throws assay::Error (exit 65) for no rows, a logit that is not finite, or where nothing is best on these rows.
  Parameters (*fit)(const HeldOut& held_out) = nullptr;
  /// n x classes logits to others (NLLs of which are never clipped), or to probabilities, whose rows sum to 1; may be
  /// in place. NaN in the whole row of a logit that is not finite.
  void (*apply)(const Parameters& fitted, int classes, std::int64_t n, const float* logits, float* scaled) = nullptr;
  bool to_logits = false;  ///< what `apply` gives
};
#define ASSAY_SCALING(name, ...)                                  \
  const ::assay::Registry<::assay::Scaling>::Add assay_scaling_ { \
    name, ::assay::Scaling {                                      \
      __VA_ARGS__                                                 \
    }                                                             \
  }

}  // namespace assay
