// Expected calibration error of the top label (Guo et al. 2017, arXiv:1706.04599, eq. 3) over 15 equal-width bins.
#include "metrics/metric_kernel.hpp"

namespace assay {
namespace {

constexpr int kBins = 15;

// Where a confidence on an edge belongs, and what the edges are in floating point, is where implementations differ.
struct LowerClosed {  // [lo, hi), the last bin closed; edges k/15 correctly rounded to float32
  static constexpr int kCount = kBins;
  ASSAY_HD static bool reaches(float confidence, int k) {
    return k < kBins && confidence >= static_cast<float>(static_cast<double>(k) / kBins);
  }
};
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

template <class Edges>
struct Ece {
  static constexpr int kCount = Edges::kCount;
  static constexpr int kWords = 3 * kCount;  // count, correct, confidence in units of 2^-32; a bin each

  ASSAY_HD static void observe(const SampleRow& row, const Tally& tally) {
    if (row.has(SampleRow::undecided)) return;
    int bin = 0;
    for (int k = 1; k < kCount; ++k) bin += Edges::reaches(row.confidence, k) ? 1 : 0;
    tally.add(bin, 1);
    tally.add(kCount + bin, row.has(SampleRow::correct) ? 1 : 0);
    tally.add(2 * kCount + bin, fixed32(row.confidence));
  }

  static Estimate finish(const std::uint64_t* s) {
    double gap = 0, n = 0;
    Estimate e = undefined_estimate();
    for (int b = 0; b < kCount; ++b) {
      const double count = static_cast<double>(s[b]), correct = static_cast<double>(s[kCount + b]);
      const double confidence = static_cast<double>(s[2 * kCount + b]) * 0x1p-32;
      gap += std::abs(correct - confidence);
      n += count;
      e.curves["count"].push_back(count);
      e.curves["accuracy"].push_back(correct / count);  // NaN, written as null, for an empty bin
      e.curves["confidence"].push_back(confidence / count);
    }
    e.value = gap / n;
    return e;
  }
};

template <class Edges>
Metric ece(const char* definition, const char* profile) {
  return {definition, Ece<Edges>::kWords, every_cell, launch_metric<Ece<Edges>>, Ece<Edges>::finish, profile, {}};
}

Metric ece_with_profiles() {
  Metric metric = ece<LowerClosed>("ece/top-label/w15/[lo,hi) last closed/l1/float32 confidence in units of 2^-32", "");
  metric.profiles = {
      ece<TorchMetrics>("ece/top-label/w15 + a bin for 1.0/[lo,hi)/l1/float32 edges of torch.linspace", "torchmetrics"),
      ece<UpperClosed>("ece/top-label/w15/(lo,hi]/l1/float64 edges of numpy.linspace", "sklearn")};
  return metric;
}
const Registry<Metric>::Add assay_metric_ece{"ece", ece_with_profiles()};

}  // namespace
}  // namespace assay
