#pragma once
#include <cstdint>
#include <string>

#include "assay/metric.hpp"

namespace assay {

/// What a model says of `n` samples, in host memory.
struct Outputs {
  std::int64_t n = 0;
  int classes = 0;
  const float* probabilities = nullptr;   ///< n x classes, rows sum to 1; of an undecided sample anything
  const std::uint16_t* labels = nullptr;  ///< n, below classes
  const SampleRow* rows = nullptr;        ///< n
  std::int64_t undecided = -1;            ///< of them; -1: not counted yet
};

/// A statistic that needs the probabilities of all classes, not a SampleRow alone. Its state is 64-bit integers, all
/// zero when empty, which are merged word by word. It runs on the host, where saved outputs are.
struct OutputMetric {
  std::string definition;
  std::int64_t (*words)(int classes) = nullptr;
  /// Adds to `state`. `threshold`: the conformal quantile of `nonconformity` on held-out samples, where it has one.
  void (*reduce)(const Outputs& outputs, double threshold, std::uint64_t* state) = nullptr;
  Estimate (*finish)(const std::uint64_t* state, int classes) = nullptr;
  bool larger_is_better = false;
  /// A number a sample, larger for a label that the model finds stranger; infinity for an undecided sample. Set by
  /// those that are fitted on a held-out split.
  void (*nonconformity)(const Outputs& held_out, double* scores) = nullptr;
};
#define ASSAY_OUTPUT_METRIC(name, ...)                                \
  const ::assay::Registry<::assay::OutputMetric>::Add assay_metric_ { \
    name, ::assay::OutputMetric {                                     \
      __VA_ARGS__                                                     \
    }                                                                 \
  }

}  // namespace assay
