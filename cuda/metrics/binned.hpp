#pragma once
#include <cmath>
#include <vector>

#include "metrics/metric_kernel.hpp"

// What the errors of calibration share: samples by their confidence in 15 bins of equal width.
namespace assay {

constexpr int kBins = 15;

// Where a confidence on an edge belongs, and what the edges are in floating point, is where implementations differ.
struct LowerClosed {  // [lo, hi), the last bin closed; edges k/15 correctly rounded to float32
  static constexpr int kCount = kBins;
  ASSAY_HD static bool reaches(float confidence, int k) {
    return k < kBins && confidence >= static_cast<float>(k * (1.0 / kBins));  // a quotient would be slower
  }
  static consteval bool correctly_rounded() {
    for (int k = 0; k <= kBins; ++k)
      if (static_cast<float>(k * (1.0 / kBins)) != static_cast<float>(static_cast<double>(k) / kBins)) return false;
    return true;
  }
};
static_assert(LowerClosed::correctly_rounded());
struct UpperClosed {  // (lo, hi], float64 edges k * (1/15) as numpy.linspace gives: scikit-learn's calibration_curve
  static constexpr int kCount = kBins;
  ASSAY_HD static bool reaches(float confidence, int k) {
    return k<kBins&& static_cast<double>(confidence)> static_cast<double>(k) * (1.0 / kBins);
  }
};
// [lo, hi) with torch.linspace's float32 edges; a confidence of 1.0 has a 16th bin to itself. torch fuses the
// multiplication and the subtraction on CPUs with AVX2, hence one rounding.
struct TorchMetrics {
  static constexpr int kCount = kBins + 1;
  ASSAY_HD static bool reaches(float confidence, int k) {
    const auto step = static_cast<double>(1.f / static_cast<float>(kBins));
    const double edge = k < (kBins + 1) / 2 ? step * k : 1.0 - step * (kBins - k);
    return confidence >= static_cast<float>(edge);
  }
};

/// The last bin whose edge the confidence reaches. Edges are off k/15 by roundings only.
template <class Edges>
ASSAY_HD int bin_of(float confidence) {
  const float scaled = confidence * static_cast<float>(kBins);
  const int near = static_cast<int>(scaled);
  constexpr float kFar = 1e-4f;
  if (const float past = scaled - static_cast<float>(near); past > kFar && past < 1 - kFar) return near;
  if (near > 0 && !Edges::reaches(confidence, near)) return near - 1;
  return Edges::reaches(confidence, near + 1) ? near + 1 : near;
}

template <class Edges>
struct Binned {
  static constexpr int kCount = Edges::kCount;
  static constexpr int kWords = 3 * kCount;  // count, correct, confidence in units of 2^-32; a bin each

  template <class Tally>
  ASSAY_HD static void observe(const SampleRow& row, const Tally& tally) {
    if (row.has(SampleRow::undecided)) return;
    const int bin = bin_of<Edges>(row.confidence);
    tally.add(bin, 1);
    tally.add(kCount + bin, row.has(SampleRow::correct) ? 1 : 0);
    tally.add(2 * kCount + bin, fixed32(row.confidence));
  }
};

/// A bin with samples.
struct Bin {
  double count, correct, confidence;  ///< sums
  double accuracy() const { return correct / count; }
  double gap() const { return (correct - confidence) / count; }
};

/// Those of a reliability diagram, empty ones left out of `bins`.
struct Reliability {
  double count = 0;
  std::vector<Bin> bins;
  Estimate estimate = undefined_estimate();  ///< with the diagram's curves

  Reliability(const std::uint64_t* state, int size) {
    for (int b = 0; b < size; ++b) {
      const Bin bin{static_cast<double>(state[b]), static_cast<double>(state[size + b]),
                    static_cast<double>(state[2 * size + b]) * 0x1p-32};
      estimate.curves["count"].push_back(bin.count);
      estimate.curves["accuracy"].push_back(bin.accuracy());  // NaN, written as null, for an empty bin
      estimate.curves["confidence"].push_back(bin.confidence / bin.count);
      if (bin.count == 0) continue;
      bins.push_back(bin);
      count += bin.count;
    }
  }
  /// The mean of f(bin) over samples; NaN without any.
  template <class F>
  double mean(const F& f) const {
    double sum = 0;
    for (const Bin& bin : bins) sum += bin.count * f(bin);
    return sum / count;
  }
};

/// A metric of the bins: Error::of(reliability).
template <class Error, class Edges>
Metric binned(const std::string& name, const std::string& bins, const std::string& norm, const std::string& numbers,
              const std::string& profile) {
  return {.definition = name + "/top-label/" + bins + "/" + norm + "/" + numbers,
          .words = Binned<Edges>::kWords,
          .applies = every_cell,
          .reduce = launch_metric<Binned<Edges>>,
          .finish =
              [](const std::uint64_t* state) {
                const Reliability of(state, Binned<Edges>::kCount);
                Estimate estimate = of.estimate;
                if (of.count > 0)
                  estimate.value = Error::of(of);
                else
                  estimate.undefined = kNoneDecided;
                return estimate;
              },
          .profile = profile,
          .top_label = true};
}

/// In assay's own bins; also in torchmetrics' and netcal's where they have this error, and in (lo, hi] for the peer
/// that is named.
template <class Error>
Metric binned_with_profiles(const std::string& name, const std::string& norm, bool torchmetrics, bool netcal,
                            const std::string& upper_closed = {}) {
  auto metric =
      binned<Error, LowerClosed>(name, "w15/[lo,hi) last closed", norm, "float32 confidence in units of 2^-32", "");
  if (torchmetrics)
    metric.profiles.push_back(binned<Error, TorchMetrics>(name, "w15 + a bin for 1.0/[lo,hi)", norm,
                                                          "float32 edges of torch.linspace", "torchmetrics"));
  if (netcal)
    metric.profiles.push_back(binned<Error, LowerClosed>(
        name, "w15/[lo,hi) last closed", norm,
        "float64 edges of numpy.linspace, between the same float32 numbers; netcal takes 1.0 for 1 - 2^-23", "netcal"));
  if (!upper_closed.empty())
    metric.profiles.push_back(
        binned<Error, UpperClosed>(name, "w15/(lo,hi]", norm, "float64 edges of numpy.linspace", upper_closed));
  return metric;
}

}  // namespace assay
