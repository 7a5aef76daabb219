#pragma once
#include <string>

#include "assay/core/device.hpp"
#include "assay/core/registry.hpp"

namespace assay {

/// A loss to be maximised: a pure function of one row of logits and its label.
struct Loss {
  std::string about;
  int min_classes = 2;
  /// For each of `rows` rows of logits (rows x classes): value (rows) and cotangent = d value / d logits (rows x
  /// classes).
  void (*evaluate)(const Exec& exec, std::int64_t rows, int classes, const float* logits, const std::uint16_t* label,
                   float* value, float* cotangent) = nullptr;
};
#define ASSAY_LOSS(name, ...)                               \
  const ::assay::Registry<::assay::Loss>::Add assay_loss_ { \
    name, ::assay::Loss {                                   \
      __VA_ARGS__                                           \
    }                                                       \
  }

}  // namespace assay
