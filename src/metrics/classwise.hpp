#pragma once
#include <algorithm>
#include <cmath>

#include "assay/output_metric.hpp"
#include "metrics/binned.hpp"

// Calibration errors with bins of their own for every class.
namespace assay {

/// count, hits and confidence (in units of 2^-32) of a bin, bins within a class.
constexpr std::int64_t kBinWords = 3, kClassWords = kBinWords * kBins;

inline std::int64_t classwise_words(int classes) {
  return kClassWords * classes;
}

inline void add_to_bin(std::uint64_t* of_class, float confidence, bool hit) {
  std::uint64_t* const bin = of_class + kBinWords * bin_of<LowerClosed>(confidence);
  bin[0] += 1;
  bin[1] += hit ? 1 : 0;
  bin[2] += fixed32(confidence);
}

/// Every probability of at least `least` into the bins of its class; a hit is a sample with that label.
inline void reduce_classwise(const Outputs& outputs, float least, std::uint64_t* state) {
  constexpr int kTogether = 64;  // classes that one thread has to itself
#pragma omp parallel for schedule(static)
  for (int first = 0; first < outputs.classes; first += kTogether) {
    const int last = std::min(first + kTogether, outputs.classes);
    for (std::int64_t i = 0; i < outputs.n; ++i) {
      if (outputs.rows[i].has(SampleRow::undecided)) continue;
      const float* const p = outputs.probabilities + i * outputs.classes;
      for (int k = first; k < last; ++k)
        if (p[k] >= least) add_to_bin(state + kClassWords * k, p[k], outputs.labels[i] == k);
    }
  }
}

struct ClassError {
  double gaps = 0;   ///< sum over bins of |hits - confidence|
  double count = 0;  ///< samples
};
inline ClassError class_error(const std::uint64_t* of_class) {
  ClassError error;
  for (const std::uint64_t* bin = of_class; bin != of_class + kClassWords; bin += kBinWords) {
    error.gaps += std::abs(static_cast<double>(bin[1]) - static_cast<double>(bin[2]) * 0x1p-32);
    error.count += static_cast<double>(bin[0]);
  }
  return error;
}

/// The mean over classes of their errors a sample; classes without samples are left out.
inline Estimate mean_over_classes(const std::uint64_t* state, int classes) {
  Estimate estimate = undefined_estimate();
  double sum = 0;
  int seen = 0;
  for (int k = 0; k < classes; ++k) {
    const ClassError error = class_error(state + kClassWords * k);
    estimate.curves["by_class"].push_back(error.gaps / error.count);  // NaN, written as null, of a class without any
    if (error.count == 0) continue;
    sum += error.gaps / error.count;
    ++seen;
  }
  if (seen > 0)
    estimate.value = sum / seen;
  else
    estimate.undefined = kNoneDecided;
  return estimate;
}

}  // namespace assay
