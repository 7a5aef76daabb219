#pragma once
#include <bit>
#include <cmath>
#include <vector>

#include "assay/core/math.hpp"
#include "metrics/metric_kernel.hpp"

// What the errors of calibration share: samples by their confidence in 15 bins of equal width.
namespace assay {

constexpr int kBins = 15;

// Where a confidence on an edge belongs, and what the edges are in floating point, is where implementations differ.
struct LowerClosed {  // [lo, hi), the last bin closed; edges k/15 correctly rounded to float32
  static constexpr int kCount = kBins;
  ASSAY_HD static constexpr bool reaches(float confidence, int k) {
    return confidence >= static_cast<float>(static_cast<double>(k) / kBins);
  }
};
struct UpperClosed {  // (lo, hi], float64 edges k * (1/15) as numpy.linspace gives: scikit-learn's calibration_curve
  static constexpr int kCount = kBins;
  ASSAY_HD static constexpr bool reaches(float confidence, int k) {
    return static_cast<double>(confidence) > static_cast<double>(k) * (1.0 / kBins);
  }
};
// [lo, hi) with torch.linspace's float32 edges; a confidence of 1.0 has a 16th bin to itself. torch fuses the
// multiplication and the subtraction on CPUs with AVX2, hence one rounding.
struct TorchMetrics {
  static constexpr int kCount = kBins + 1;
  ASSAY_HD static constexpr bool reaches(float confidence, int k) {
    const auto step = static_cast<double>(1.f / static_cast<float>(kBins));
    const double edge = k < (kBins + 1) / 2 ? step * k : 1.0 - step * (kBins - k);
    return confidence >= static_cast<float>(edge);
  }
};

/// Whether a confidence's product with 15, rounded to float32, reaches k where the confidence reaches edge k, and not
/// before: so it is for edges between the same float32 numbers as k/15. The product rises with the confidence, so that
/// the numbers at the edges tell.
template <class Edges>
consteval bool is_product() {
  const auto product = [](std::uint32_t confidence) { return std::bit_cast<float>(confidence) * float{kBins}; };
  for (int k = 1; k < Edges::kCount; ++k) {
    std::uint32_t edge = std::bit_cast<std::uint32_t>(static_cast<float>(k * (1.0 / kBins))) - 2;  // off by 1 at most
    while (!Edges::reaches(std::bit_cast<float>(edge), k)) ++edge;
    if (product(edge) < static_cast<float>(k) || product(edge - 1) >= static_cast<float>(k)) return false;
  }
  return true;
}
static_assert(is_product<LowerClosed>() && is_product<UpperClosed>() && !is_product<TorchMetrics>());

/// The last bin whose edge the confidence reaches. Edges are off k/15 by roundings only.
template <class Edges>
ASSAY_HD int bin_of(float confidence) {
  const float scaled = confidence * static_cast<float>(kBins);
  const int near = static_cast<int>(scaled);
  if constexpr (is_product<Edges>()) {
    return near < Edges::kCount ? near : Edges::kCount - 1;
  } else {
    constexpr float kFar = 1e-4f;
    if (const float past = scaled - static_cast<float>(near); past > kFar && past < 1 - kFar) return near;
    if (near > 0 && !Edges::reaches(confidence, near)) return near - 1;
    return Edges::reaches(confidence, near + 1) ? near + 1 : near;
  }
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

  /// Rows that a word has room for: their confidences in its low bits, then how many are correct, then how many.
  static constexpr int kBatch = 512;
  /// Observes up to kBatch rows on a CPU: what a row adds is one word, found for several rows at a time. That loop has
  /// no branches, reads all that is wanted of a row at once, and takes integers from the bits of doubles, as AVX2
  /// converts to 32 bits only.
  template <class Tally>
  ASSAY_HD static void observe_batch(const SampleRow* rows, int n, const Tally& tally)
    requires(is_product<Edges>())
  {
    constexpr int kCorrect = 42, kRows = 52, kWays = 4;
    static_assert(std::uint64_t{kBatch} << 32 < std::uint64_t{1} << kCorrect && kBatch < 1 << (kRows - kCorrect));
    int bin[kBatch];
    std::uint64_t word[kBatch];
    for (int row = 0; row < n; ++row) {
      std::uint64_t start;  // prediction, flags, confidence
      __builtin_memcpy(&start, rows + row, sizeof start);
      const std::uint64_t decided = ((start >> 16) / SampleRow::undecided & 1) - 1;
      const float confidence = bits_to_float(static_cast<std::uint32_t>((start & decided) >> 32));
      bin[row] = bin_of<Edges>(confidence);
      const double units = std::floor(static_cast<double>(confidence) * 0x1p32);
      const std::uint64_t fixed = double_to_bits(units + 0x1p52) - double_to_bits(0x1p52);
      word[row] = (fixed + ((start >> 16 & SampleRow::correct) << kCorrect) + (std::uint64_t{1} << kRows)) & decided;
    }
    // In turn to four sums, as one that has just been added to is not at hand yet.
    std::uint64_t sums[kWays][kCount] = {};
    int i = 0;
    for (; i + kWays <= n; i += kWays)
      for (int way = 0; way < kWays; ++way) sums[way][bin[i + way]] += word[i + way];
    for (; i < n; ++i) sums[0][bin[i]] += word[i];
    for (int b = 0; b < kCount; ++b) {
      const std::uint64_t sum = sums[0][b] + sums[1][b] + sums[2][b] + sums[3][b];
      tally.add(b, sum >> kRows);
      tally.add(kCount + b, (sum >> kCorrect) % (1 << (kRows - kCorrect)));
      tally.add(2 * kCount + b, sum % (std::uint64_t{1} << kCorrect));
    }
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
                                                          "float32 edges of torch.linspace", "torchmetrics-1.9"));
  if (netcal)
    metric.profiles.push_back(binned<Error, LowerClosed>(
        name, "w15/[lo,hi) last closed", norm,
        "float64 edges of numpy.linspace, between the same float32 numbers; netcal takes 1.0 for 1 - 2^-23",
        "netcal-1.4"));
  if (!upper_closed.empty())
    metric.profiles.push_back(
        binned<Error, UpperClosed>(name, "w15/(lo,hi]", norm, "float64 edges of numpy.linspace", upper_closed));
  return metric;
}

}  // namespace assay
