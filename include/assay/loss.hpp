#pragma once
#include <string>

#include "assay/core/device.hpp"
#include "assay/core/registry.hpp"

namespace assay {

/// One row of logits a sample, with what is said of it.
struct LossRows {
  std::int64_t rows = 0;
  int classes = 0;
  const float* logits = nullptr;          ///< rows x classes
  const std::uint16_t* label = nullptr;   ///< rows
  const std::uint16_t* target = nullptr;  ///< rows; read by targeted losses only
  float* value = nullptr;                 ///< rows
  float* cotangent = nullptr;             ///< rows x classes: d value / d logits
};

/// A loss to be maximised: a pure function of one row of logits, its label and, for targeted ones, a target. A target
/// that is no class, or the label, gives value and cotangent 0.
struct Loss {
  std::string about;
  int min_classes = 2;
  void (*evaluate)(const Exec& exec, const LossRows& rows) = nullptr;
  bool targeted = false;
  /// The value does not change when all logits are multiplied by a positive number.
  bool scale_free = false;
  std::string towards = {};  ///< of one without a target: the loss that leads towards a target in its way
};
#define ASSAY_LOSS(name, ...)                               \
  const ::assay::Registry<::assay::Loss>::Add assay_loss_ { \
    name, ::assay::Loss {                                   \
      __VA_ARGS__                                           \
    }                                                       \
  }

}  // namespace assay
